"""Say what keeps samples from coming faster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataflux_core._plan.text import human_bytes

Limit = Literal["network", "decode", "workers", "index"]

BUSY = 0.85  # of a core: a process that uses more has no time left, as one thread at a time runs Python
_INDEX_MARGIN = 1.25  # rows that are looked up hardly faster than samples come
_AS_FAST = 1.1
_STARVED = 0.6  # of the CPU that a process would have used
_DECODE_MARGIN = 1.5  # samples come so many times as fast without decoders
_SMALL_BYTES = 256 * 1024  # of a sample: latency counts for more than bandwidth


@dataclass(frozen=True, slots=True)
class Phase:
    """Samples that came one way for some seconds."""

    samples: int
    elapsed_s: float
    begin_samples: int = 0  # that rates and shares leave out: connections are made, workers start
    begin_s: float = 0.0
    fetching_s: float = 0.0  # that all processes together waited for bytes after that
    decoding_s: float = 0.0  # that their decoders worked after that
    cpu_s: float = 0.0  # from the beginning
    processes: int = 1  # that read and decode
    bad_samples: int = 0  # of the first pass over the source
    first_batch_s: float = 0.0
    passes: int = 1  # begun: a short source is read several times

    @property
    def samples_per_s(self) -> float:
        """How fast they came after the beginning."""
        samples, steady_s = self.samples - self.begin_samples, self.elapsed_s - self.begin_s
        if samples <= 0 or steady_s <= 0:
            samples, steady_s = self.samples, self.elapsed_s
        return samples / steady_s if steady_s > 0 else 0.0

    @property
    def waiting_share(self) -> float:
        return self._share(self.fetching_s)

    @property
    def decoding_share(self) -> float:
        return min(1 - self.waiting_share, self._share(self.decoding_s))

    @property
    def other_share(self) -> float:
        return max(0.0, 1 - self.waiting_share - self.decoding_share)

    @property
    def cores(self) -> float:
        """CPU seconds spent in a second."""
        return self.cpu_s / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def busy_share(self) -> float:
        """How much of a core each process used."""
        return self.cores / self.processes

    def _share(self, part_s: float) -> float:
        whole_s = (self.elapsed_s - self.begin_s) * self.processes
        return min(1.0, part_s / whole_s) if whole_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What was measured, with what."""

    cores: int
    requests: int  # at once; 0: as many as a dataset takes by itself
    workers: int  # of a loader; 0: none, all in one process
    sample_bytes: float  # mean
    resizes: bool = False  # images, as they are decoded


@dataclass(frozen=True, slots=True)
class Verdict:
    """What limits a source, the figures that show it, what to do."""

    limit: Limit
    reason: str
    advice: tuple[str, ...]


def verdict_of(index: Phase, fetched: Phase, whole: Phase, setting: Setting) -> Verdict:
    """Judge three measurements of one source: rows looked up, bytes fetched as well, samples decoded as well."""
    limit = _limit(index, fetched, whole)
    reason = (
        f"{whole.waiting_share:.0%} of the time is waited for bytes, {whole.decoding_share:.0%} decoders work, "
        f"{whole.other_share:.0%} is all else; {whole.cores:.1f} of {setting.cores} cores are used"
    )
    if limit == "workers" and whole.waiting_share >= max(whole.decoding_share, whole.other_share):
        reason += ", so bytes are late because what receives them gets no time on a core"
    if fetched != whole and whole.samples_per_s:
        faster = fetched.samples_per_s / whole.samples_per_s
        reason += f"; without decoders {f'{faster:.1f} times' if faster > _AS_FAST else 'about'} as many samples come"
    advice = {"network": _for_network, "decode": _for_decode, "workers": _for_workers, "index": _for_index}[limit]
    return Verdict(limit, reason, advice(whole, setting))


def _limit(index: Phase, fetched: Phase, whole: Phase) -> Limit:
    if index.samples_per_s < _INDEX_MARGIN * whole.samples_per_s:
        return "index"
    waiting, decoding, other = whole.waiting_share, whole.decoding_share, whole.other_share
    if waiting >= max(decoding, other):
        # Not because of the network, where the threads that bring bytes get no time to run.
        return "workers" if max(fetched.busy_share, whole.busy_share) >= BUSY else "network"
    # What decoders give may take longer to hand on than to make; without them it would not.
    return "decode" if decoding >= other or fetched.samples_per_s > _DECODE_MARGIN * whole.samples_per_s else "workers"


def _for_network(whole: Phase, setting: Setting) -> tuple[str, ...]:
    del whole
    more = f"more requests at once: --num-downloading-workers {2 * setting.requests}" if setting.requests else ""
    larger = (
        f"larger files: one of {human_bytes(setting.sample_bytes)} takes about as long as one of ten times the size"
        if 0 < setting.sample_bytes < _SMALL_BYTES
        else ""
    )
    cache = "a cache (dst=), so that only the first epoch waits for the network"
    return _said(more, larger, cache, "a machine near the source")


def _for_decode(whole: Phase, setting: Setting) -> tuple[str, ...]:
    smaller = (
        "" if setting.resizes else "images of the size that is trained on (--size HxW): of a JPEG less is decoded then"
    )
    return _said(
        _starved(whole), _more_workers(whole, setting), smaller, "files that are stored in the size that is needed"
    )


def _for_workers(whole: Phase, setting: Setting) -> tuple[str, ...]:
    larger = "larger files, or fewer columns: each object costs its own share of CPU" if setting.sample_bytes else ""
    return _said(_starved(whole), _more_workers(whole, setting), larger)


def _for_index(whole: Phase, setting: Setting) -> tuple[str, ...]:
    return _said(
        "an order by blocks (block_samples=), which reads neighbouring rows together",
        "a Parquet index with fewer columns and smaller row groups: `dataflux index`",
        _more_workers(whole, setting),
    )


def _starved(whole: Phase) -> str:
    wanted = 1 - whole.waiting_share
    if whole.busy_share >= _STARVED * wanted:
        return ""
    return (
        f"the CPU for this process: it had {whole.busy_share:.0%} of a core where it would have used {wanted:.0%}; "
        "other programs run here, or a container has fewer cores than the machine"
    )


def _more_workers(whole: Phase, setting: Setting) -> str:
    if whole.cores >= BUSY * setting.cores:
        return f"more cores: {whole.cores:.1f} of {setting.cores} are used"
    if setting.workers < setting.cores:
        return f"more loader workers, each with an interpreter of its own: --workers {setting.cores}"
    return f"more loader workers: --workers {2 * setting.workers}"


def _said(*advice: str) -> tuple[str, ...]:
    return tuple(text for text in advice if text)
