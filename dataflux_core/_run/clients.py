"""Hold the client of a call with how its requests may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.cloud.storage.retry import DEFAULT_RETRY

from dataflux_core._run.access import access_of, is_plain_client, mark_client, new_client
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._run.access import Access

# The default of every retry_config: the service's own predicate, quicker at first, for five minutes in all.
MODIFIED_RETRY = DEFAULT_RETRY.with_delay(initial=0.25, multiplier=2.0, maximum=45.0).with_timeout(300.0)


@dataclass(frozen=True, slots=True)
class Client:
    """The client of a call with its retry, as the caller gave them."""

    client: Any
    retry: Any  # a google.api_core Retry; None: never
    access: Access | None  # None: through the client's public methods


def client_of(given: Any, project: str | None, retry: Any) -> Client:  # noqa: ANN401 - google ships no types
    """Take the caller's client, or make one; raises CredentialsMissing, InvalidArgument."""
    client = new_client(project) if given is None else given
    if not hasattr(client, "bucket"):
        raise InvalidArgument("storage_client", repr(client), "a storage.Client, a fake of one, or None")
    mark_client(client)
    if is_plain_client(client):
        return Client(client, retry, access_of(client))
    return Client(client, retry, None)
