"""Find out whether composites may be made in a bucket, what they cost."""

from __future__ import annotations

import hashlib
import logging
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
_SILENT_S = 30.0  # for which a bucket that has not said anything in time is asked no more


class _Key(NamedTuple):
    base_url: str
    headers: tuple[str, ...]
    identity: bytes  # a digest of the authorization, which is nobody's to keep
    bucket: str


class _Known(NamedTuple):
    facts: BucketFacts
    verdict: ComposeVerdict
    until_s: float  # it is asked again from then on; what it was told before stays told


# Without a lock, which a fork could inherit held: each step on them is one of the interpreter's.
_known: dict[_Key, _Known] = {}
_tempos: dict[str, Tempo] = {}
_MAX_KNOWN = 64


def tempo_of(access: Access) -> Tempo:
    """Return what this process has learned of an endpoint's tempo, to be learned on."""
    if len(_tempos) > _MAX_KNOWN:
        _tempos.clear()
    tempo = _tempos.setdefault(access.endpoint.base_url, Tempo())
    tempo.drift()
    return tempo


class Permit:
    """The answer for one call: asked of the bucket at most once, remembered by the process for minutes.

    That there was none in time is remembered for half a minute.
    """

    def __init__(
        self, service: Service, access: Access, bucket: str, stats: DownloadStats, *, max_wait_s: float
    ) -> None:
        self.verdict: ComposeVerdict | None = None  # None: not known yet
        self._service = service
        self._access = access
        self._bucket = bucket
        self._stats = stats
        self._is_asking = False
        self._asked_s = 0.0
        self._max_wait_s = max_wait_s
        self._facts: BucketFacts | None = None
        self._permissions_answer: Answer | None = None

    def cost(self, prices: Prices | None) -> ComposeCost:
        """Return what composing costs, by assumption where the bucket has not said."""
        return compose_cost(self._facts or BucketFacts.assumed(), prices)

    @property
    def is_awaited(self) -> bool:
        """Tell whether the bucket has been asked but has not answered."""
        return self._is_asking and self.verdict is None

    @property
    def patience_s(self) -> float | None:
        """Return for how long more to wait for the answer; None where nobody waits."""
        return max(0.0, self._asked_s + self._max_wait_s - time.monotonic()) if self.is_awaited else None

    def ask(self) -> bool:
        """Find out, unless that is under way; tell whether the answer is there."""
        if self._is_asking:
            return self.verdict is not None
        self._is_asking = True
        self._asked_s = time.monotonic()
        known = _known.get(self._key())
        if known is not None and time.monotonic() < known.until_s:
            self._facts, self.verdict = known.facts, known.verdict
            self._tell(logging.DEBUG)
            return True
        self._stats.asked("permissions")
        self._stats.asked("bucket")
        request = permissions_request(self._bucket, COMPOSE_PERMISSIONS)
        self._service.submit(request, (self._on_permissions, None))
        self._service.submit(bucket_request(self._bucket), (self._on_facts, None))
        return False

    def settle(self) -> None:
        """Do without what has not come in time: the settings are assumed, without permission nothing is composed."""
        if self.is_awaited and self.patience_s == 0:
            if self._permissions_answer is None:
                self.verdict = ComposeVerdict(
                    allowed=False, reasons=("the bucket has not said whether it may be done",)
                )
                self._facts = self._facts or BucketFacts.assumed()
                level = self._level()
                self._remember(_SILENT_S)
                self._tell(level)
            else:
                self._decide()

    def withdraw(self, reason: str) -> None:
        """Learn from a refusal that what was allowed is not."""
        if self.verdict is not None and self.verdict.allowed:
            level = self._level()
            self.verdict = ComposeVerdict(allowed=False, reasons=(reason,))
            self._remember(_VALID_S)
            self._tell(level)

    def _on_permissions(self, _: None, answer: Answer) -> None:
        self._permissions_answer = answer
        if answer.status == _NOT_FOUND:  # the direct reads find out, by name, that there is no such bucket
            self.verdict = ComposeVerdict(allowed=False)
        self._conclude()

    def _on_facts(self, _: None, answer: Answer) -> None:
        self._facts = facts_of(answer)
        self._conclude()

    def _conclude(self) -> None:
        if self.verdict is None and self._facts is not None and self._permissions_answer is not None:
            self._decide()

    def _decide(self) -> None:
        answer = self._permissions_answer
        self._facts = self._facts or BucketFacts.assumed()
        self.verdict = verdict(self._facts, None if answer is None else permissions_of(answer))
        level = self._level()
        # A failure is forgotten at once, but not told again.
        self._remember(_VALID_S if answer is not None and answer.ok else 0.0)
        if not self.verdict.allowed:
            self._tell(level)

    def _remember(self, for_s: float) -> None:
        if len(_known) > _MAX_KNOWN:
            _known.clear()
        if self._facts is not None and self.verdict is not None:
            _known[self._key()] = _Known(self._facts, self.verdict, time.monotonic() + for_s)

    def _key(self) -> _Key:
        endpoint = self._access.endpoint
        identity = hashlib.sha256(self._access.authorization.header().encode()).digest()
        return _Key(endpoint.base_url, endpoint.headers, identity, self._bucket)

    def _level(self) -> int:
        """Say how loudly a refusal is told: another reading may have asked, or tried, at the same time."""
        known = _known.get(self._key())
        return logging.WARNING if known is None or known.verdict.allowed else logging.DEBUG

    def _tell(self, level: int) -> None:
        """Log, once for a bucket, why nothing is composed."""
        if self.verdict is not None and not self.verdict.allowed and self.verdict.reasons:
            log.log(
                level,
                "read.composes_not bucket=%s reason=%s; objects are read one by one, which costs more requests",
                self._bucket,
                "; ".join(self.verdict.reasons),
            )
