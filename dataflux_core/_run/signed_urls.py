"""Sign URLs of objects, so that whoever has one may read for a while."""

from __future__ import annotations

import ast
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dataflux_core.errors import InvalidArgument, SigningUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_DAYS = 7  # https://cloud.google.com/storage/docs/access-control/signed-urls#limits
# The key that Google keeps may be changed after that: https://cloud.google.com/sdk/gcloud/reference/storage/sign-url
MOST_HOURS_WITHOUT_KEY = 12
_LEAST = timedelta(seconds=1)
_REQUESTS = 16  # at once
_TRIES = 4  # of a request whose connection breaks; what the service refuses, google-auth asks again itself


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Makes URLs of one bucket's objects, each readable for so long from when it was made."""

    bucket: Any  # google-cloud-storage ships no types
    lifetime: timedelta
    endpoint: str
    credentials: Any
    is_remote: bool  # each signature is a request

    def __call__(self, name: str) -> str:
        """Return the URL of an object; raises SigningUnavailable."""
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - slow import

        tries = 0
        while True:
            tries += 1
            try:
                return self._signed(name)
            except (GoogleAuthError, OSError) as error:
                # One connection that breaks is not to cost the thousands of signatures that are there.
                if tries == _TRIES or not isinstance(error.__cause__ or error, OSError):
                    raise SigningUnavailable(f"for {self.credentials.signer_email}: {_reason(error)}") from error

    def _signed(self, name: str) -> str:
        signed: str = self.bucket.blob(name).generate_signed_url(
            version="v4",
            expiration=self.lifetime,
            method="GET",
            api_access_endpoint=self.endpoint,
            credentials=self.credentials,
        )
        return signed

    def many(self, names: Iterable[str], observe: Callable[[int], None] | None = None) -> list[str]:
        """Return the URLs of objects in their order, some requests at once; `observe` is told how many are done."""
        urls: list[str] = []
        with ThreadPoolExecutor(_REQUESTS if self.is_remote else 1, "dataflux-sign") as pool:
            try:
                for url in (pool.map if self.is_remote else map)(self, names):
                    urls.append(url)
                    if observe is not None:
                        observe(len(urls))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return urls


def signer(client: Any, bucket: str, lifetime: timedelta) -> UrlSigner:  # noqa: ANN401 - as above
    """Return what signs URLs of a bucket: with the client's key and no request, or else by asking IAM for each.

    Raises InvalidArgument for a time that is too long; SigningUnavailable where the credentials are those of no
    service account.
    """
    if not _LEAST <= lifetime <= timedelta(days=MOST_DAYS):
        raise InvalidArgument("signed_for", str(lifetime), f"from 1 second to {MOST_DAYS} days")
    from dataflux_core._run.iam_signing import signing_of  # noqa: PLC0415 - slow imports

    credentials, is_remote = signing_of(client._credentials)  # noqa: SLF001 - as google-cloud-storage's own signing
    if is_remote and lifetime > timedelta(hours=MOST_HOURS_WITHOUT_KEY):
        most = f"at most {MOST_HOURS_WITHOUT_KEY} hours where Google keeps the key"
        raise InvalidArgument("signed_for", str(lifetime), f"{most}; for more give the key of a service account")
    endpoint: str = client._connection.API_BASE_URL  # noqa: SLF001 - as above
    return UrlSigner(client.bucket(bucket), lifetime, endpoint.rstrip("/"), credentials, is_remote)


def _reason(error: Exception) -> str:
    """Take what the service said out of what google-auth says of it: bytes of JSON, or a dict."""
    text = str(error)
    try:
        value = ast.literal_eval(text.partition(": ")[2])
        found: str = (json.loads(value) if isinstance(value, bytes) else value)["error"]["message"]
    except (ValueError, SyntaxError, LookupError, TypeError):
        return text
    return found
