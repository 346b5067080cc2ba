"""Find out whether composites may be made in a bucket, what they cost."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._plan.bucket import BucketFacts
from dataflux_core._plan.cost import ComposeCost, compose_cost
from dataflux_core._plan.obstacles import COMPOSE_PERMISSIONS, ComposeVerdict, verdict
from dataflux_core._plan.strategy import Tempo
from dataflux_core._wire.bucket import bucket_request, facts_of, permissions_of
from dataflux_core._wire.objects import permissions_request

if TYPE_CHECKING:
    from dataflux_core._plan.prices import Prices
    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.service import Service
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)
_NOT_FOUND = 404
_VALID_S = 300.0  # a bucket's settings seldom change; a loader asks for batch after batch


class _Key(NamedTuple):
    base_url: str
    headers: tuple[str, ...]
    authorization: str
    bucket: str


class _Known(NamedTuple):
    facts: BucketFacts
    permissions: frozenset[str]
    asked_s: float


_lock = threading.Lock()
_known: dict[_Key, _Known] = {}
_tempos: dict[str, Tempo] = {}
_MAX_KNOWN = 64


def tempo_of(access: Access) -> Tempo:
    """Return what this process has learned of an endpoint's tempo, to be learned on."""
    with _lock:
        if len(_tempos) > _MAX_KNOWN:
            _tempos.clear()
        return _tempos.setdefault(access.endpoint.base_url, Tempo())


class Permit:
    """The answer for one call: asked of the bucket at most once, remembered by the process for minutes."""

    def __init__(self, service: Service, access: Access, bucket: str, stats: DownloadStats) -> None:
        self.verdict: ComposeVerdict | None = None  # None: not known yet
        self._service = service
        self._access = access
        self._bucket = bucket
        self._stats = stats
        self._is_asking = False
        self._facts: BucketFacts | None = None
        self._permissions: frozenset[str] | None = None

    def cost(self, prices: Prices | None) -> ComposeCost:
        """Return what composing costs, by assumption where the bucket has not said."""
        return compose_cost(self._facts or BucketFacts.assumed(), prices)

    @property
    def is_awaited(self) -> bool:
        """Tell whether the bucket has been asked but has not answered."""
        return self._is_asking and self.verdict is None

    def ask(self) -> bool:
        """Find out, unless that is under way; tell whether the answer is there."""
        if self._is_asking:
            return self.verdict is not None
        self._is_asking = True
        known = _known.get(self._key())
        if known is not None and time.monotonic() - known.asked_s < _VALID_S:
            self._facts, self._permissions = known.facts, known.permissions
            self._decide()
            return True
        self._stats.asked("permissions")
        self._stats.asked("bucket")
        request = permissions_request(self._bucket, COMPOSE_PERMISSIONS)
        self._service.submit(request, (self._on_permissions, None))
        self._service.submit(bucket_request(self._bucket), (self._on_facts, None))
        return False

    def withdraw(self, reason: str) -> None:
        """Learn from a refusal that what was allowed is not."""
        if self.verdict is not None and self.verdict.allowed:
            self.verdict = ComposeVerdict(allowed=False, reasons=(reason,))
            _known.pop(self._key(), None)
            self._warn()

    def _on_permissions(self, _: None, answer: Answer) -> None:
        # Whoever cannot say what may be deleted must not make anything.
        self._permissions = permissions_of(answer) or frozenset()
        if answer.status == _NOT_FOUND:  # the direct reads find out, by name, that there is no such bucket
            self.verdict = ComposeVerdict(allowed=False)
        self._conclude()

    def _on_facts(self, _: None, answer: Answer) -> None:
        self._facts = facts_of(answer)
        self._conclude()

    def _conclude(self) -> None:
        if self.verdict is None and self._facts is not None and self._permissions is not None:
            with _lock:
                if len(_known) > _MAX_KNOWN:
                    _known.clear()
                _known[self._key()] = _Known(self._facts, self._permissions, time.monotonic())
            self._decide()

    def _decide(self) -> None:
        self.verdict = verdict(self._facts or BucketFacts.assumed(), self._permissions)
        if not self.verdict.allowed:
            self._warn()

    def _key(self) -> _Key:
        endpoint = self._access.endpoint
        return _Key(endpoint.base_url, endpoint.headers, self._access.authorization.header(), self._bucket)

    def _warn(self) -> None:
        reasons = self.verdict.reasons if self.verdict is not None else ()
        log.warning(
            "read.composes_not bucket=%s reason=%s; objects are read one by one, which costs more requests",
            self._bucket,
            "; ".join(reasons),
        )
