"""Make samples of rows."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._data.samples.counts import SampleCounts
from dataflux_core._data.samples.pipeline import StepFailed
from dataflux_core._data.samples.policy import concerns_all
from dataflux_core._plan.text import shortened, shown
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import BadSample, DatafluxError, InvalidArgument, TooManyBadSamples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._data.samples.encoded import RawSample, Sample
    from dataflux_core._data.samples.recipe import Recipe

log = logging.getLogger(__name__)

_REASON_WIDTH = 400


class _Failure(NamedTuple):
    """Why there is no sample: `column` is "" where it is a transform that failed, whose columns are all unusable."""

    column: str
    reason: str
    error: Exception


class SampleMaker:
    """Makes samples in one thread of one process, and counts them.

    A row is turned into samples as they are drawn, so that one which becomes many is never held whole.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.counts = SampleCounts()
        self.may_give_more = False  # the row whose sample was drawn last, by a transform that gives several
        self._bad_in_a_row = 0
        self._lock = threading.Lock()  # for counts that decide

    def uncounted(self) -> SampleMaker:
        """Return one for rows that were counted before: it bears any number of bad ones, and tells of no kind anew."""
        policy = replace(self.recipe.policy, max_bad_in_a_row=None, max_bad_samples=None)
        maker = SampleMaker(replace(self.recipe, policy=policy))
        maker.counts.bad_by_kind.update(self.counts.bad_by_kind)
        return maker

    def outputs(self, raw: RawSample) -> Iterator[Sample]:
        """Yield what one row becomes: none, one or many samples.

        Raises BadSample or TooManyBadSamples as the policy says; errors that concern all samples, as they are. What
        was given out before an error stands.
        """
        self.counts.rows += 1
        self.may_give_more = False
        sample, failures = self._decoded(raw)
        if failures:
            yield from self._replaced(raw, failures, sample)
        elif self.recipe.pipeline.changes:
            yield from self._transformed(raw, sample)
        else:
            self._bad_in_a_row = 0
            self.counts.samples += 1
            yield sample

    def _expect_more(self) -> None:
        self.may_give_more = True

    def _decoded(self, raw: RawSample) -> tuple[Sample, list[_Failure]]:
        """Return all that can be had of a row, with why the rest cannot."""
        sample = dict(raw.values)
        failures: list[_Failure] = []
        for column, encoded in raw.columns.items():
            if isinstance(encoded, DatafluxError):
                failures.append(_Failure(column, _told(encoded), encoded))
                continue
            decoder = self.recipe.decoders[column]
            try:
                self.recipe.put(sample, column, decoder(encoded))
            except Exception as error:  # noqa: BLE001 - hostile bytes make libraries raise anything
                reason = f"{shown_url(encoded.url)} is not decoded by {_decoder_name(decoder)}: {_told(error)}"
                failures.append(_Failure(column, reason, error))
        return sample, failures

    def _transformed(self, raw: RawSample, sample: Sample) -> Iterator[Sample]:
        decoded = dict(sample) if callable(self.recipe.policy.on_bad_sample) else {}  # transforms may write to theirs
        failure: _Failure | None = None
        given = 0
        try:
            for output in self.recipe.pipeline.outputs(sample, self._expect_more):
                given += 1
                self.counts.samples += 1
                yield output
            self.counts.dropped += not given
        except StepFailed as failed:
            failure = _Failure("", f"transform {failed.step}: {_told(failed.error)}", failed.error)
        finally:
            if failure is None:  # also where the caller draws no more
                self._bad_in_a_row = 0
        if failure is not None:
            yield from self._replaced(raw, [failure], decoded, given=given)

    def _replaced(
        self, raw: RawSample, failures: Sequence[_Failure], partial: Sample, *, given: int = 0
    ) -> Iterator[Sample]:
        """Yield what the policy puts in the place of a bad sample."""
        bad = self._counted(raw, failures)
        on_bad_sample = self.recipe.policy.on_bad_sample
        if callable(on_bad_sample):
            made = on_bad_sample(bad, partial)
            if made is None:
                return
            if not isinstance(made, dict):
                raise InvalidArgument("on_bad_sample", f"a function that gave {type(made).__name__}", "a dict or None")
            self.counts.filled += 1
            self.counts.samples += 1
            yield made
        elif on_bad_sample == "fill" and not given:  # else the row has its place already
            self.counts.filled += 1
            yield from self._filled(raw, failures, partial)

    def _counted(self, raw: RawSample, failures: Sequence[_Failure]) -> BadSample:
        """Count a bad sample; raise what the policy does not bear."""
        for failure in failures:
            if concerns_all(failure.error):
                raise failure.error
        first = failures[0]
        bad = BadSample(raw.row, raw.sample_id, first.column, first.reason)
        bad.__cause__ = first.error
        policy, counts, kind = self.recipe.policy, self.counts, type(first.error).__name__
        if kind not in counts.bad_by_kind and policy.on_bad_sample != "raise":
            log.warning("sample.bad row=%d kind=%s reason=%s (the first of its kind here)", raw.row, kind, first.reason)
        else:
            log.debug("sample.bad row=%d kind=%s reason=%s", raw.row, kind, first.reason)
        with self._lock:  # rows that are asked for by number may be made in several threads
            counts.bad += 1
            counts.bad_by_kind[kind] += 1
            self._bad_in_a_row += 1
            in_a_row, altogether = self._bad_in_a_row, counts.bad
        if policy.on_bad_sample == "raise":
            raise bad
        if policy.max_bad_in_a_row is not None and in_a_row > policy.max_bad_in_a_row:
            raise TooManyBadSamples(in_a_row, policy.max_bad_in_a_row, "in a row") from bad
        if policy.max_bad_samples is not None and altogether > policy.max_bad_samples:
            raise TooManyBadSamples(altogether, policy.max_bad_samples, "altogether") from bad
        return bad

    def _filled(self, raw: RawSample, failures: Sequence[_Failure], partial: Sample) -> Iterator[Sample]:
        lacking = {failure.column for failure in failures}
        all_lack = "" in lacking
        sample = dict(raw.values)
        for column in raw.columns:
            blank = all_lack or column in lacking
            self.recipe.put(sample, column, self.recipe.blank(column) if blank else partial[column])
        try:
            for output in self.recipe.pipeline.outputs(sample, self._expect_more):
                self.counts.samples += 1
                yield output
        except StepFailed as failed:
            reason = f"transform {failed.step} fails on what stands in for a bad sample: {_told(failed.error)}"
            raise BadSample(raw.row, raw.sample_id, "", reason) from failed.error


def _told(error: Exception) -> str:
    """Return an error in a line: ours speak for themselves, others need their name."""
    text = str(error) if isinstance(error, DatafluxError) else f"{type(error).__name__}: {error}"
    return shortened(shown(text.replace("\n", " ")), _REASON_WIDTH)


def _decoder_name(decoder: object) -> str:
    return str(getattr(decoder, "__qualname__", None) or type(decoder).__name__)
