"""Take from a google-cloud-storage client what requests of ours need."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol
from urllib.parse import urlsplit

from dataflux_core._run.transport import Endpoint
from dataflux_core.errors import CredentialsMissing, InvalidArgument

USER_AGENT = "dataflux/1.0"
_CONTENT_S = 15.0  # with a token that expires soon, before the next try to get a newer one


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
        self._content_until_s = 0.0

    def header(self) -> str:
        with self._lock:
            # google.auth calls a token invalid minutes before it expires. A source that caches may give the same one
            # again: that is no reason to ask it before every request.
            if not self._credentials.valid and time.monotonic() >= self._content_until_s:
                self._refresh()
                self._content_until_s = 0.0 if self._credentials.valid else time.monotonic() + _CONTENT_S
            return f"Bearer {self._credentials.token}"

    def renew(self, stale: str) -> bool:
        with self._lock:
            if f"Bearer {self._credentials.token}" == stale:
                self._refresh()
            return f"Bearer {self._credentials.token}" != stale

    def _refresh(self) -> None:
        import google.auth.exceptions  # noqa: PLC0415 - only real clients need google.auth
        import google.auth.transport.requests  # noqa: PLC0415

        try:
            self._credentials.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.GoogleAuthError as error:
            if not self._credentials.token or _is_over(self._credentials.expiry):
                raise CredentialsMissing(str(error)) from error


def _is_over(expiry: datetime | None) -> bool:
    return expiry is not None and expiry <= datetime.now(timezone.utc).replace(tzinfo=None)


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
    return session is None or (type(session) is AuthorizedSession and _is_ordinary(session))


def _is_ordinary(session: Any) -> bool:  # noqa: ANN401 - requests ships no types
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - slow import

    return session.cert is None and all(type(adapter) is HTTPAdapter for adapter in session.adapters.values())


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
    """Read endpoint, credentials, quota project, extra headers, proxies off a plain client; raises InvalidArgument."""
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - slow import

    connection, credentials = client._connection, client._credentials  # noqa: SLF001 - no public access
    check_url(connection.API_BASE_URL)
    headers = [f"User-Agent: {marked(connection.user_agent)}"]
    headers += [f"{key}: {value}" for key, value in (connection.extra_headers or {}).items()]
    quota_project = getattr(credentials, "quota_project_id", None)
    if quota_project:
        headers.append(f"x-goog-user-project: {quota_project}")
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415 - slow import

    base_url = connection.API_BASE_URL.rstrip("/")
    proxy, verify = way_out(getattr(client, "_http_internal", None), base_url)
    endpoint = Endpoint(
        base_url,
        tuple(headers),
        proxy=proxy,
        ca_file=verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH,
        verify=bool(verify),
    )
    if credentials is None or isinstance(credentials, AnonymousCredentials):
        return Access(endpoint, Anonymous())
    return Access(endpoint, GoogleAuthorization(credentials))


def check_url(base_url: str) -> None:
    """Refuse an address to which no request can go, before one is tried time and again; raises InvalidArgument."""
    try:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")  # as libcurl reads it
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, or of brackets
        is_usable = False
    if not is_usable:
        expected = "http:// or https://, a host, a port if need be; correct api_endpoint or STORAGE_EMULATOR_HOST"
        raise InvalidArgument("api_endpoint", repr(base_url), expected)


def way_out(session: Any, base_url: str) -> tuple[str, bool | str]:  # noqa: ANN401 - requests ships no types
    """Return the proxy ("": none) and the certificates that requests would use, the environment's included."""
    from requests import Session  # noqa: PLC0415 - slow import
    from requests.utils import select_proxy  # noqa: PLC0415

    settings = (session or Session()).merge_environment_settings(base_url, {}, None, None, None)
    return select_proxy(base_url, settings["proxies"]) or "", settings["verify"]
