"""Sign URLs of objects, so that whoever has one may read for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dataflux_core.errors import CredentialsMissing, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_DAYS = 7  # https://cloud.google.com/storage/docs/access-control/signed-urls#limits
_LEAST = timedelta(seconds=1)


def signer(client: Any, bucket: str, lifetime: timedelta) -> Callable[[str], str]:  # noqa: ANN401 - as above
    """Return what makes of an object's name a URL that may be read for so long; no request is made.

    Raises InvalidArgument for a time that is too long; what it returns raises CredentialsMissing where the credentials
    have no private key.
    """
    if not _LEAST <= lifetime <= timedelta(days=MOST_DAYS):
        raise InvalidArgument("lifetime", str(lifetime), f"from 1 second to {MOST_DAYS} days")
    place = client.bucket(bucket)
    endpoint: str = client._connection.API_BASE_URL  # noqa: SLF001 - as above

    def sign(name: str) -> str:
        try:
            signed: str = place.blob(name).generate_signed_url(
                version="v4", expiration=lifetime, method="GET", api_access_endpoint=endpoint.rstrip("/")
            )
        except AttributeError as error:  # google-auth's word for credentials that cannot sign
            reason = "signing takes the private key of a service account"
            raise CredentialsMissing(reason) from error
        return signed

    return sign
