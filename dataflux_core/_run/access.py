"""Take from a google-cloud-storage client what requests of ours need."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from dataflux_core._run.transport import Endpoint
from dataflux_core.errors import CredentialsMissing

USER_AGENT = "dataflux/1.0"
_REFRESH_BEFORE_S = 240  # google-auth's own margin is 225 s; a page must not outlive its token


class Authorization(Protocol):
    """Where tokens come from."""

    def header(self) -> str:
        """Return the value of the Authorization header, "" where none is needed."""

    def renew(self, stale: str) -> bool:
        """Replace a header value that was refused; tell whether there is a new one."""


class Anonymous:
    """No token at all."""

    def header(self) -> str:
        return ""

    def renew(self, stale: str) -> bool:  # noqa: ARG002 - there is nothing to renew
        return False


class GoogleAuthorization:
    """Tokens of google.auth credentials, refreshed once for all threads shortly before they expire."""

    def __init__(self, credentials: Any) -> None:  # noqa: ANN401 - google.auth ships no types
        self._credentials = credentials
        self._lock = threading.Lock()

    def header(self) -> str:
        with self._lock:
            if not self._credentials.valid or self._expires_soon():
                self._refresh()
            return f"Bearer {self._credentials.token}"

    def renew(self, stale: str) -> bool:
        with self._lock:
            if f"Bearer {self._credentials.token}" == stale:
                self._refresh()
            return f"Bearer {self._credentials.token}" != stale

    def _expires_soon(self) -> bool:
        from google.auth import _helpers  # noqa: PLC0415 - only real clients need google.auth

        expiry = getattr(self._credentials, "expiry", None)
        return expiry is not None and (expiry - _helpers.utcnow()).total_seconds() < _REFRESH_BEFORE_S

    def _refresh(self) -> None:
        import google.auth.exceptions  # noqa: PLC0415
        import google.auth.transport.requests  # noqa: PLC0415

        try:
            self._credentials.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.GoogleAuthError as error:
            if not self._credentials.valid:
                raise CredentialsMissing(str(error)) from error


@dataclass(frozen=True, slots=True)
class Access:
    """An endpoint with the authorization to use it."""

    endpoint: Endpoint
    authorization: Authorization


def is_plain_client(client: object) -> bool:
    """Tell whether `client` is a storage.Client whose requests go out the ordinary way.

    A fake, a subclass, or a client with a transport of its own has ways that we cannot know: it is used through
    its public methods.
    """
    from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415 - slow import
    from google.cloud import storage  # noqa: PLC0415 - slow import

    if type(client) is not storage.Client:
        return False
    session = getattr(client, "_http_internal", None)
    return session is None or type(session) is AuthorizedSession


def new_client(project: str | None) -> Any:  # noqa: ANN401 - google-cloud-storage ships no types
    """Make a client from the environment's credentials; raises CredentialsMissing."""
    import google.auth.exceptions  # noqa: PLC0415 - slow import
    from google.cloud import storage  # noqa: PLC0415 - slow import

    try:
        return storage.Client(project=project)
    except (google.auth.exceptions.DefaultCredentialsError, OSError) as error:
        raise CredentialsMissing(str(error)) from error


def marked(user_agent: str | None) -> str:
    """Put our name before a user agent that lacks it."""
    if user_agent and USER_AGENT in user_agent:
        return user_agent
    return f"{USER_AGENT} {user_agent or ''}".rstrip()


def mark_client(client: Any) -> None:  # noqa: ANN401 - a client or a fake of one
    """Let the service know, from all requests of `client`, that they are ours; a fake may have no connection."""
    connection = getattr(client, "_connection", None)
    if connection is None:
        return
    # What a real connection gives as its user agent has versions added to what was set: that must not be set again.
    place = getattr(connection, "_client_info", None) or connection
    present = getattr(place, "user_agent", None)
    if not isinstance(present, str) or USER_AGENT not in present:
        place.user_agent = marked(present if isinstance(present, str) else None)


def access_of(client: Any) -> Access:  # noqa: ANN401 - google-cloud-storage ships no types
    """Read endpoint, credentials, quota project, extra headers, proxies off a plain client."""
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - slow import

    connection, credentials = client._connection, client._credentials  # noqa: SLF001 - no public access
    headers = [f"User-Agent: {marked(connection.user_agent)}"]
    headers += [f"{key}: {value}" for key, value in (connection.extra_headers or {}).items()]
    quota_project = getattr(credentials, "quota_project_id", None)
    if quota_project:
        headers.append(f"x-goog-user-project: {quota_project}")
    session = getattr(client, "_http_internal", None)
    verify = True if session is None else session.verify
    base_url = connection.API_BASE_URL.rstrip("/")
    endpoint = Endpoint(
        base_url,
        tuple(headers),
        proxy=_proxy(session, base_url),
        ca_file=verify if isinstance(verify, str) else _ca_file(),
        verify=bool(verify),
    )
    if credentials is None or isinstance(credentials, AnonymousCredentials):
        return Access(endpoint, Anonymous())
    return Access(endpoint, GoogleAuthorization(credentials))


def _proxy(session: Any, base_url: str) -> str | None:  # noqa: ANN401 - requests ships no types
    """Return the proxy set on the client's session; None leaves it to the environment, as requests does."""
    if session is None or not session.proxies:
        return None
    from requests.utils import select_proxy  # noqa: PLC0415 - slow import

    proxy: str | None = select_proxy(base_url, session.proxies)
    return proxy


def _ca_file() -> str:
    """Return the certificates that requests would trust: the same variables, then certifi's."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(variable):
            return os.environ[variable]
    import certifi  # noqa: PLC0415 - comes with requests

    return certifi.where()
