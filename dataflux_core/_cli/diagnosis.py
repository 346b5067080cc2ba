"""Write what was found out about a bucket, for a person or for a program."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec

from dataflux_core._cli.text import counted, human_bytes
from dataflux_core._plan.estimate import quantile, size_classes
from dataflux_core._plan.groups import MAX_SOURCES
from dataflux_core._plan.obstacles import duration_text
from dataflux_core._run.bucket_facts import ASKED_PERMISSIONS
from dataflux_core._wire.listing import COMPOSED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._plan.cost import ComposeCost
    from dataflux_core._plan.estimate import Way
    from dataflux_core._plan.obstacles import ComposeVerdict, Obstacle
    from dataflux_core._plan.prices import Prices
    from dataflux_core._plan.strategy import Tempo
    from dataflux_core._run.bucket_facts import AskedBucket
    from dataflux_core._run.trial import ComposeTrial

LIFECYCLE_RULE: dict[str, Any] = {
    "rule": [{"action": {"type": "Delete"}, "condition": {"age": 1, "matchesPrefix": [COMPOSED_PREFIX]}}]
}
_QUANTILES = {"least": 0.0, "p5": 0.05, "p50": 0.5, "p95": 0.95, "most": 1.0}
_WAY_TITLES = {"direct": "direct", "compose": "compose", "auto_time": "auto, time", "auto_cost": "auto, cost"}
_LABEL_WIDTH, _CELL_WIDTH = 30, 14
_MINUTE_S, _HOUR_S = 60, 3600
_WHOLE_DOLLARS = 100
_JSON_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """Objects that were listed; their order is that of the listing."""

    sizes: Sequence[int] = ()
    object_classes: Sequence[str] = ()  # the storage class of each
    is_complete: bool = True
    list_s: float = 0.0  # a page, on average

    @property
    def classes(self) -> Counter[str]:
        """How many objects are of each class."""
        return Counter(self.object_classes)

    @property
    def main_class(self) -> str:
        """The class of most objects; "" where there are none."""
        return self.classes.most_common(1)[0][0] if self.object_classes else ""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests took, in seconds; None for what was not tried."""

    read_s: float | None = None
    composed: ComposeTrial | None = None
    not_composed: str = "--try measures it"  # why not


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that `dataflux doctor` has to say."""

    url: str
    bucket: str
    asked: AskedBucket
    prices: Prices
    cost: ComposeCost
    verdict: ComposeVerdict
    obstacles: tuple[Obstacle, ...]
    sample: Sample
    latency: Latency
    tempo: Tempo  # what was reckoned with, measured or not
    ways: dict[str, Way]


def as_json(found: Diagnosis) -> dict[str, Any]:
    """Return values for JSON; a number that would be infinite is null."""
    sample, facts = found.sample, asdict(found.asked.facts)
    granted = found.asked.permissions
    return {
        "url": found.url,
        "bucket": {"is_known": facts.pop("is_known"), **facts},
        "permissions": None if granted is None else {name: name in granted for name in ASKED_PERMISSIONS},
        "prices": asdict(found.prices),
        "sample": {
            "objects": len(sample.sizes),
            "bytes": sum(sample.sizes),
            "is_complete": sample.is_complete,
            "storage_classes": dict(sample.classes),
            "size_quantiles": _quantiles(sample.sizes),
            "size_classes": [asdict(each) for each in size_classes(sample.sizes)],
        },
        "compose": {
            "is_allowed": found.verdict.allowed,
            "reasons": list(found.verdict.reasons),
            "break_even_objects": _finite(found.cost.break_even_sources(_mean(sample.sizes))),
            "break_even_object_bytes": _finite(found.cost.break_even_bytes()),
        },
        "obstacles": [asdict(each) for each in found.obstacles],
        "latency": {
            "list_s": sample.list_s or None,
            "read_s": found.latency.read_s,
            "compose": None if found.latency.composed is None else asdict(found.latency.composed),
        },
        "ways": {name: _way_json(found.ways[name]) if name in found.ways else None for name in _WAY_TITLES},
        "lifecycle_rule": LIFECYCLE_RULE,
    }


def _way_json(way: Way) -> dict[str, Any]:
    bill = {**asdict(way.bill), "usd": way.bill.usd}
    return {
        "sample": asdict(way.division),
        "per_million_objects": {name: round(value, _JSON_DIGITS) for name, value in bill.items()},
    }


def as_text(found: Diagnosis) -> Iterator[str]:
    """Yield lines."""
    yield found.url
    yield ""
    yield from _about_bucket(found)
    yield from _about_sizes(found.sample)
    if found.ways:
        yield ""
        yield from _table(found)
        yield ""
        yield _decision(found)
    if found.verdict.allowed:
        yield ""
        yield from _break_even(found)
    yield ""
    yield from _against(found)
    if found.verdict.allowed:
        yield ""
        yield from _lifecycle(found.bucket)


def _about_bucket(found: Diagnosis) -> Iterator[str]:
    facts, prices = found.asked.facts, found.prices
    if facts.is_known:
        place = f"{facts.location} ({facts.location_type})" if facts.location else facts.location_type
        yield _line("bucket", f"{place}, {facts.storage_class}")
    else:
        yield _line("bucket", "its settings could not be read")
    seconds = facts.soft_delete_s
    soft = f"{duration_text(seconds)}{'' if facts.is_known else ', assumed'}" if seconds else "off"
    yield _line("soft delete", soft)
    yield _line("compose", "allowed" if found.verdict.allowed else "not possible")
    class_a, class_b = prices.class_a_usd_per_million, prices.class_b_usd_per_million
    yield _line("prices", f"${class_a:.2f} a million lists or composes, ${class_b:.2f} a million reads; without egress")
    yield _line("", prices.source)
    for label, text in zip_longest(["latency"], _latencies(found), fillvalue=""):
        yield _line(label, text)


def _latencies(found: Diagnosis) -> Iterator[str]:
    trial, read_s = found.latency.composed, found.latency.read_s
    measured = "" if read_s is not None else ", assumed"
    yield f"{_milliseconds(found.tempo.read_s)} a read{measured}"
    if trial is None:
        yield f"{_milliseconds(found.tempo.compose_s)} a compose, assumed: {found.latency.not_composed}"
    else:
        what = f"{counted(trial.sources, 'object')}, {human_bytes(trial.size)}"
        yield f"{_milliseconds(trial.compose_s)} a compose of {what}, {_milliseconds(trial.delete_s)} its delete"
    if found.sample.list_s:
        yield f"{_milliseconds(found.sample.list_s)} a page of the listing"


def _about_sizes(sample: Sample) -> Iterator[str]:
    count, total = len(sample.sizes), sum(sample.sizes)
    if not count:
        yield _line("objects", "none" if sample.is_complete else "not listed")
        return
    least = "" if sample.is_complete else "at least "
    yield _line("objects", f"{least}{count:,}, {human_bytes(total)}; {human_bytes(total / count)} on average")
    if len(sample.classes) > 1:
        classes = (f"{objects:,} {name}" for name, objects in sample.classes.most_common())
        yield _line("", f"{', '.join(classes)}; the prices above are those of {sample.main_class}")
    sizes = _quantiles(sample.sizes) or {}
    yield _line("", ", ".join(f"{name} {human_bytes(size)}" for name, size in sizes.items()))
    yield ""
    yield _row("size", ["objects", "bytes"])
    for each in size_classes(sample.sizes):
        low, high = _decimal(each.from_bytes), "" if each.below_bytes is None else _decimal(each.below_bytes)
        label = f"{low} and more" if not high else f"{low} to {high}"
        yield _row(label, [f"{each.objects:,} {each.objects / count:4.0%}", f"{each.bytes / max(1, total):.0%}"])


def _table(found: Diagnosis) -> Iterator[str]:
    """Yield what each way does with the sample, then what a million objects like these take."""
    columns = [found.ways[name] for name in _WAY_TITLES if name in found.ways]
    divisions, bills = [way.division for way in columns], [way.bill for way in columns]
    titles = [title for name, title in _WAY_TITLES.items() if name in found.ways]
    yield _row("strategy", titles)
    yield _row("composites", [f"{each.composites:,}" for each in divisions])
    yield _row("  objects in them", [f"{each.composed:,}" for each in divisions])
    yield _row("objects alone", [f"{each.alone:,}" for each in divisions])
    yield _row("large objects, in pieces", [f"{each.in_pieces:,}" for each in divisions])
    yield ""
    yield "A million objects like these"
    for call in ("lists", "reads", "composes", "deletes"):
        yield _row(f"  {call}", [f"{getattr(each, call):,.0f}" for each in bills])
    yield _row("  requests", [_dollars(each.requests_usd) for each in bills])
    yield _row("  temporaries", [_dollars(each.temporaries_usd) for each in bills])
    if any(each.retrieval_usd for each in bills):
        yield _row("  retrieval of what is read", [_dollars(each.retrieval_usd) for each in bills])
    yield _row("  in all", [_dollars(each.usd) for each in bills])
    yield _row("  time of the requests", [_duration(each.seconds) for each in bills])
    yield _row("  at least, in a cold bucket", [_duration(each.cold_s) for each in bills])
    yield "Time: as many requests at once as a download has, at the latencies above; the bytes come on top."
    yield "A bucket that was at rest takes 5000 reads and 1000 writes a second at first, then grows."


def _decision(found: Diagnosis) -> str:
    """Say what a download does that is left to decide."""
    way, direct = found.ways["auto_time"], found.ways["direct"].bill
    bill, share = way.bill, way.division.composed / way.division.objects
    if not share:
        return "In a long run, a download reads each of such objects directly by default."
    return (
        f"In a long run, a download composes {share:.0%} of such objects by default: {_duration(bill.seconds)} and "
        f"{_dollars(bill.usd)} a million, rather than {_duration(direct.seconds)} and {_dollars(direct.usd)}."
    )


def _break_even(found: Diagnosis) -> Iterator[str]:
    mean = _mean(found.sample.sizes)
    sources, size = found.cost.break_even_sources(mean), found.cost.break_even_bytes()
    least = math.floor(sources) + 1 if sources < math.inf else MAX_SOURCES + 1
    of_size = f" of {human_bytes(mean)}" if mean else ""
    if not found.cost.composed_usd(MAX_SOURCES, MAX_SOURCES * math.ceil(mean)):
        yield f"Neither composing objects{of_size} nor reading them costs anything."
    elif least > MAX_SOURCES:
        yield f"Composing objects{of_size} costs more than reading them, however many travel together."
    else:
        yield f"Composing is cheaper from {least} objects{of_size} in a group (break-even {sources:.1f})."
    if 0 < size < math.inf:
        yield f"A group of {MAX_SOURCES} is cheaper composed up to {size:,.0f} bytes an object."


def _against(found: Diagnosis) -> Iterator[str]:
    if not found.obstacles:
        yield "Nothing about the bucket speaks against composing."
        return
    yield "Against composing"
    for each in found.obstacles:
        yield f"  {each.severity:<8} {each.text}"


def _lifecycle(bucket: str) -> Iterator[str]:
    """Yield lines on how a bucket removes temporaries itself."""
    yield "Downloads remove their temporaries; `dataflux clean` removes what a machine that went down has left."
    yield "To have the bucket do so after a day, put this rule into a file rule.json:"
    yield f"  {msgspec.json.encode(LIFECYCLE_RULE).decode()}"
    yield f"  gcloud storage buckets update gs://{bucket} --lifecycle-file=rule.json"
    yield "The file replaces all rules that the bucket has, so first see which these are, and keep them in it:"
    yield f'  gcloud storage buckets describe gs://{bucket} --format="json(lifecycle_config)"'
    yield "A rule saves nothing under soft delete: what it deletes is kept, and billed, all the same."


def _line(label: str, text: str) -> str:
    return f"{label:<12} {text}"


def _row(label: str, cells: Sequence[str]) -> str:
    return f"{label:<{_LABEL_WIDTH}}{''.join(f'{cell:>{_CELL_WIDTH}}' for cell in cells)}".rstrip()


def _quantiles(sizes: Sequence[int]) -> dict[str, int] | None:
    ordered = sorted(sizes)
    return {name: quantile(ordered, share) for name, share in _QUANTILES.items()} if ordered else None


def _mean(sizes: Sequence[int]) -> float:
    return sum(sizes) / len(sizes) if sizes else 0.0


def _finite(value: float) -> float | None:
    return value if value < math.inf else None


def _dollars(usd: float) -> str:
    return f"${usd:,.0f}" if usd >= _WHOLE_DOLLARS else f"${usd:.3f}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.3g} s"
    return f"{seconds / _MINUTE_S:.1f} min" if seconds < _HOUR_S else f"{seconds / _HOUR_S:.1f} h"


def _decimal(size: int) -> str:
    """Write a power of ten of bytes."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size // step} {unit}"
    return f"{size} B"
