"""Say what about a bucket speaks against composing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from dataflux_core._plan.bucket import DAY_S
from dataflux_core._plan.prices import prices_for
from dataflux_core._plan.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dataflux_core._plan.bucket import BucketFacts
    from dataflux_core._plan.prices import Prices

Severity: TypeAlias = Literal["forbids", "costs", "note"]
COMPOSE_PERMISSIONS = ("storage.objects.create", "storage.objects.delete")
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing against composing: it forbids it, makes it dearer, or is to be known."""

    severity: Severity
    code: str  # for programs; never changes
    text: str


@dataclass(frozen=True, slots=True)
class ComposeVerdict:
    """Whether temporaries may be made in a bucket; if not, why not, each reason a sentence."""

    allowed: bool
    reasons: tuple[str, ...] = ()


def verdict(facts: BucketFacts, permissions: frozenset[str] | None) -> ComposeVerdict:
    """Decide whether composing is allowed; `permissions` are those granted, None where nobody could say.

    Whoever cannot tell what may be deleted must not make anything.
    """
    reasons = tuple(each.text for each in _forbidding(facts, permissions))
    return ComposeVerdict(not reasons, reasons)


def obstacles(
    facts: BucketFacts,
    permissions: frozenset[str] | None,
    prices: Prices | None = None,
    classes: Collection[str] = (),
) -> tuple[Obstacle, ...]:
    """List all that speaks against composing, the worst first; `prices` are the usual ones where none are given.

    `classes` are the storage classes that objects of the bucket have, as far as that is known.
    """
    prices = prices or prices_for(facts)
    return (*_forbidding(facts, permissions), *_costing(facts, prices), *_to_note(facts, classes))


def _forbidding(facts: BucketFacts, permissions: frozenset[str] | None) -> Iterator[Obstacle]:
    if facts.is_zonal:
        yield Obstacle("forbids", "zonal", "a Rapid bucket, which lies in one zone, composes nothing")
    if facts.retention_s:
        time = duration_text(facts.retention_s)
        text = f"its retention policy keeps every object for {time}, so that temporaries could not be deleted"
        yield Obstacle("forbids", "retention", text)
    if facts.default_event_based_hold:
        text = "it puts an event-based hold on every new object, so that temporaries could not be deleted"
        yield Obstacle("forbids", "event_based_hold", text)
    if permissions is None:
        text = "which permissions there are could not be found out, so what is made might have to stay"
        yield Obstacle("forbids", "permissions_unknown", text)
        return
    missing = [name for name in COMPOSE_PERMISSIONS if name not in permissions]
    if missing:
        yield Obstacle("forbids", "permissions", f"lacking {', '.join(missing)}")


def _costing(facts: BucketFacts, prices: Prices) -> Iterator[Obstacle]:
    if facts.soft_delete_s:
        time = duration_text(facts.soft_delete_s)
        source = "is on" if facts.is_known else "is assumed to be on, as it is by default"
        text = f"soft delete {source}: each deleted temporary is kept, and billed, for {time}"
        yield Obstacle("costs", "soft_delete", text)
    if prices.minimum_days:
        days = counted(round(prices.minimum_days), "day")
        text = f"its storage class is billed for {days} at least, so each temporary is, however soon it is deleted"
        yield Obstacle("costs", "minimum_storage", text)
    if prices.retrieval_usd_per_gib:
        text = (
            f"${prices.retrieval_usd_per_gib:g} a GiB is billed for retrieval: of what is read, and of what is joined"
        )
        yield Obstacle("costs", "retrieval", text)
    if prices.replication_usd_per_gib:
        text = f"${prices.replication_usd_per_gib:g} a GiB is billed for what is written to several regions"
        yield Obstacle("costs", "replication", text)


def _to_note(facts: BucketFacts, classes: Collection[str]) -> Iterator[Obstacle]:
    if not facts.is_known:
        text = "the bucket's settings could not be read (storage.buckets.get); a new bucket's are assumed"
        yield Obstacle("note", "settings_unknown", text)
    if facts.versioning:
        text = (
            "versioning is on: temporaries are deleted by their generation, which leaves no version of them; a "
            "client of another kind than storage.Client, or a lifecycle rule, may leave one"
        )
        yield Obstacle("note", "versioning", text)
    if facts.requester_pays:
        text = "callers pay for requests, and must name a project; what is stored the owner of the bucket pays"
        yield Obstacle("note", "requester_pays", text)
    if len(classes) > 1:
        text = (
            f"objects are of {len(classes)} storage classes: a group of several cannot be joined, so is read directly"
        )
        yield Obstacle("note", "mixed_classes", text)
    if facts.autoclass:
        text = "Autoclass is on: objects of one group may be of several classes, which cannot be joined"
        yield Obstacle("note", "autoclass", text)
    if facts.hierarchical:
        text = "a hierarchical namespace keeps the folder dataflux-composed-objects/ when it is empty"
        yield Obstacle("note", "hierarchical", text)
    if not facts.uniform_access:
        text = "objects have access lists of their own: a temporary gets the bucket's default one while it is there"
        yield Obstacle("note", "object_access", text)


def duration_text(seconds: int) -> str:
    """Write a length of time in the largest unit that it is a whole number of: 7 days, 36 hours, 90 seconds."""
    for unit_s, noun in ((DAY_S, "day"), (_HOUR_S, "hour"), (60, "minute")):
        if seconds % unit_s == 0:
            return counted(seconds // unit_s, noun)
    return counted(seconds, "second")
