"""Ask a bucket what there is to know of it before it is read."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from dataflux_core._cli.diagnosis import Diagnosis, Latency, Sample
from dataflux_core._cli.service import Query, pages
from dataflux_core._plan.cost import compose_cost
from dataflux_core._plan.estimate import Limits, Tariff, ways_of
from dataflux_core._plan.groups import group_for_compose
from dataflux_core._plan.obstacles import obstacles, verdict
from dataflux_core._plan.prices import prices_for
from dataflux_core._plan.strategy import RANGED_BYTES, Tempo
from dataflux_core._run.bucket_facts import ask_bucket
from dataflux_core._run.reading.options import DEFAULT_COMPOSITE_BYTES, MAX_REQUESTS
from dataflux_core._run.reading.ranged import PIECE_BYTES
from dataflux_core._run.retries import rule_of
from dataflux_core._run.trial import Source, time_reads, try_compose
from dataflux_core._wire.page import int64s
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._cli.arguments import Place
    from dataflux_core._plan.bucket import BucketFacts
    from dataflux_core._plan.obstacles import ComposeVerdict
    from dataflux_core._run.access import Access
    from dataflux_core._run.bucket_facts import AskedBucket
    from dataflux_core._run.clients import Client
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.page import Page

_LISTED_RANGES = 16  # so that a sample comes from many places of the namespace
_READS_TRIED = 3
_MAX_TRIED_BYTES = 16 * 1024**2
_LIMITS = Limits(DEFAULT_COMPOSITE_BYTES, RANGED_BYTES, PIECE_BYTES, MAX_REQUESTS)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be examined, how far."""

    place: Place
    max_objects: int
    prices: Mapping[str, float]  # in place of the usual ones
    tries_compose: bool
    shows_bar: bool


@dataclass(frozen=True, slots=True)
class _Patient:
    """The bucket, with how to reach it."""

    access: Access
    rule: RetryRule
    bucket: str


@dataclass(slots=True)
class _Found:
    """What came of the questions, up to one that was refused."""

    sample: Sample = field(default_factory=lambda: Sample(is_complete=False))
    latency: Latency = field(default_factory=Latency)


def examine(client: Client, wish: Wish) -> tuple[Diagnosis, DatafluxError | None]:
    """Return what was found out, with what put an end to it, None if nothing did.

    Raises BucketNotFound, EndpointUnreachable, or another DatafluxError, where not even the bucket could be asked.
    """
    if client.access is None:
        raise TypeError("a command's client is always a plain one")
    patient = _Patient(client.access, rule_of(client.retry), wish.place.bucket)
    asked = ask_bucket(patient.access, patient.bucket, patient.rule)
    decided = verdict(asked.facts, asked.permissions)
    found, refusal = _Found(), None
    try:
        _try(client, patient, wish, found, may_compose=decided.allowed)
    except DatafluxError as error:  # the rest is worth knowing all the same
        refusal = error
    return _diagnosis(wish, asked, decided, found), refusal


def _diagnosis(wish: Wish, asked: AskedBucket, decided: ComposeVerdict, found: _Found) -> Diagnosis:
    sample, tempo = found.sample, _tempo(found.latency)
    tariffs = {name: _tariff(asked.facts, name, wish.prices) for name in (*sample.classes, sample.main_class)}
    usual = tariffs[sample.main_class]
    return Diagnosis(
        url=str(wish.place),
        bucket=wish.place.bucket,
        asked=asked,
        prices=usual.prices,
        cost=usual.cost,
        verdict=decided,
        obstacles=obstacles(asked.facts, asked.permissions, usual.prices, sample.classes),
        sample=sample,
        latency=found.latency,
        tempo=tempo,
        ways=ways_of(sample.sizes, sample.object_classes, _LIMITS, tariffs, tempo, may_compose=decided.allowed),
    )


def _tariff(facts: BucketFacts, storage_class: str, given: Mapping[str, float]) -> Tariff:
    prices = prices_for(facts, storage_class).overridden(given)
    return Tariff(prices, compose_cost(facts, prices))


def _try(client: Client, patient: _Patient, wish: Wish, found: _Found, *, may_compose: bool) -> None:
    """List, read, then compose if that is wished for; raises a DatafluxError with `found` as far as it came."""
    sampled, found.sample = _sampled(client, wish)
    readable = [source for page in sampled for source in _sources(page, 0, _READS_TRIED) if source.size]
    if not readable:
        return
    read_s = time_reads(patient.access, patient.bucket, patient.rule, readable[:_READS_TRIED])
    found.latency = Latency(read_s)
    if not wish.tries_compose or not may_compose:
        return
    group = _group_to_try(sampled)
    if group:
        found.latency = Latency(read_s, try_compose(patient.access, patient.bucket, patient.rule, group))
    else:
        found.latency = Latency(read_s, not_composed="no two neighbours of one class are small enough")


def _sampled(client: Client, wish: Wish) -> tuple[list[Page], Sample]:
    """List some objects, in the order of their names, from as many places as the listing began at."""
    query = Query(wish.place, ("generation", "storage_class"), parallelism=_LISTED_RANGES)
    taken: list[Page] = []
    left = wish.max_objects
    is_complete = True
    with closing(pages(client, query, shows_bar=wish.shows_bar)) as arriving:
        for page in arriving:
            if page.count > left:
                is_complete = False
            if left:
                taken.append(page.rows(0, left))
            left -= min(left, page.count)
            if not is_complete:
                break
    taken = sorted((page for page in taken if page.count), key=lambda page: page.name_list()[0])
    sizes = [size for page in taken for size in page.size_list()]
    classes = [name for page in taken for name in page.text_list("storage_class")]
    return taken, Sample(sizes, classes, is_complete, query.stats.mean_page_s)


def _group_to_try(sampled: Sequence[Page]) -> list[Source]:
    """Pick neighbours that can be composed: of one class, and of so few bytes that they are read in a moment."""
    for page in sampled:
        sizes, at = page.size_list(), 0
        for _, alike in groupby(page.text_list("storage_class")):
            stop = at + len(list(alike))
            for group in group_for_compose(sizes[at:stop], max_bytes=_MAX_TRIED_BYTES):
                if group.sources > 1:
                    return _sources(page, at + group.start, at + group.stop)
            at = stop
    return []


def _sources(page: Page, start: int, stop: int) -> list[Source]:
    rows = page.rows(start, stop)
    return list(map(Source, rows.name_list(), int64s(rows.numbers["generation"]), rows.size_list()))


def _tempo(latency: Latency) -> Tempo:
    """Reckon with what was measured, with the usual for the rest."""
    tempo = Tempo()
    if latency.read_s is not None:
        tempo.read_s = latency.read_s
    if latency.composed is not None:
        tempo.compose_s = latency.composed.compose_s
    return tempo
