"""Sign requests to S3, so that they can be sent as any others are."""

from __future__ import annotations

import os
import re
import threading
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import ExtraMissing, InvalidArgument, S3CredentialsMissing, StageStuck

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALID = timedelta(hours=1)
_SIGNING_S = 30.0  # credentials may have to be asked for
_BUCKET = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
# The library would sign another key: it drops a slash at either end, refuses what a directory tree has no place for.
_FAITHFUL_KEY = re.compile("(?!/)(?!.*//)[^\x00-\x1f\x7f]*(?<!/)")
_DOTS = frozenset({".", ".."})
_ENDPOINT = re.compile(r"https?://[^/\s?#]+(?![^/?#])", re.IGNORECASE)
_YES = frozenset({"1", "true", "yes", "on", "t", "y"})


class S3Signing:
    """The buckets that a process reads, each with the configuration of the AWS_* variables.

    Not obstore's own reads: its threads do not outlive a fork, so that they would hang in the worker of a loader whose
    main process has read an index. Signing is arithmetic.
    """

    def __init__(self) -> None:
        self._stores: dict[str, Any] = {}

    def urls(self, bucket: str, keys: Sequence[str]) -> list[str]:
        """Return a URL for each key, good for an hour.

        Raises S3CredentialsMissing, ExtraMissing, StageStuck, InvalidArgument for a variable that is wrong.
        """
        try:
            import obstore  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ExtraMissing("reading from S3", "s3") from error
        _check_endpoint()
        is_public = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in _YES
        signed: SimpleQueue[Sequence[str] | BaseException] = SimpleQueue()

        def sign() -> None:
            try:
                store = self._store(bucket, is_public=is_public)
                signed.put(obstore.sign(store, "GET", keys, _VALID))
            except BaseException as error:  # noqa: BLE001 - raised below
                signed.put(error)

        # In a thread: with credentials that have to be asked for it would wait for ever in a forked process.
        signing = threading.Thread(target=sign, name="dataflux-sign", daemon=True)
        signing.start()
        signing.join(_SIGNING_S)  # a queue would wait for ever where a signal's handler takes longer than that
        try:
            outcome = signed.get_nowait()
        except Empty:
            advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or start workers by spawn or forkserver"
            raise StageStuck("finding credentials for S3", _SIGNING_S, advice) from None
        if isinstance(outcome, BaseException):
            raise S3CredentialsMissing(_first_line(outcome)) from None  # its text may hold more than a reason
        return [url.partition("?")[0] for url in outcome] if is_public else list(outcome)

    def _store(self, bucket: str, *, is_public: bool) -> Any:  # noqa: ANN401 - obstore's
        from obstore.store import S3Store  # noqa: PLC0415 - an extra

        store = self._stores.get(bucket)
        if store is None:
            if is_public:  # the place is all that is needed, which comes with any credentials
                store = S3Store(bucket, access_key_id="-", secret_access_key="-", skip_signature=False)  # noqa: S106
            else:
                store = S3Store(bucket)
            self._stores[bucket] = store
        return store


def check_key(url: str, bucket: str, key: str) -> None:
    """Refuse what cannot be asked for under its own name; raises InvalidArgument."""
    if not _BUCKET.fullmatch(bucket):
        raise InvalidArgument("url", repr(url), "the name of a bucket behind s3://")
    if not _FAITHFUL_KEY.fullmatch(key) or not _DOTS.isdisjoint(key.split("/")):
        expected = "a key without control characters, '.' or '..', with single slashes and none at its ends"
        raise InvalidArgument("url", repr(url), expected)


def _check_endpoint() -> None:
    """Name the variable that is wrong: the library says of it, too, that there are no credentials."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        value = os.environ.get(name, "")
        if value and not _ENDPOINT.match(value):
            raise InvalidArgument(name, repr(shown_url(value)), "http:// or https:// with a host")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300] or repr(error)
