"""Say what becomes of a sample that cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dataflux_core._data.samples.limits import at_least
from dataflux_core._plan.text import shortened
from dataflux_core.errors import (
    BadSample,
    BucketNotFound,
    CacheUnusable,
    ChunkUnavailable,
    CredentialsMissing,
    ExtraMissing,
    InvalidArgument,
    ServiceRefused,
    StageStuck,
)

OnBadSample: TypeAlias = Literal["raise", "skip", "fill"] | Callable[[BadSample, dict[str, Any]], dict[str, Any] | None]

# Such a run of them is no bad luck: the decoder is the wrong one, a server is gone, a disk is full. It is few enough
# to be found within seconds, and more than any listing that is merely untidy was seen to hold.
MAX_BAD_IN_A_ROW = 100
_UNAUTHORIZED = 401
_SHOWN = 100  # characters of what was given
# None of these says anything of a sample: the next one would meet the same. An AccessDenied in the place of an object
# is of that object: what is refused to all of a bucket the fetcher raises by itself.
_BEYOND_SAMPLES = (CredentialsMissing, BucketNotFound, ExtraMissing, CacheUnusable, StageStuck)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadSamplePolicy:
    """What to do about samples that cannot be read, decoded or transformed, and how many of them to bear.

    "raise" raises BadSample. "skip" leaves the sample out. "fill" puts a blank in the place of each column that is
    lacking (of all, where a transform failed), and leads that through the transforms: `fill_value[column]`, else the
    decoder's own blank, so it is the same in every process and epoch, and never another sample. A function is given the
    BadSample and what there is of the sample; the dict that it returns is given out as it is, None leaves it out.

    TooManyBadSamples is raised for more than `max_bad_in_a_row` of one process, or `max_bad_samples` of it altogether:
    None is no limit, for how many are too many depends on how many there are. Errors about
    credentials are always raised, as is what is refused to all objects of a bucket.
    """

    on_bad_sample: OnBadSample = "raise"
    max_bad_in_a_row: int | None = MAX_BAD_IN_A_ROW
    max_bad_samples: int | None = None
    fill_value: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.on_bad_sample not in ("raise", "skip", "fill") and not callable(self.on_bad_sample):
            raise InvalidArgument("on_bad_sample", repr(self.on_bad_sample), "'raise', 'skip', 'fill' or a function")
        for name, limit in (
            ("max_bad_in_a_row", self.max_bad_in_a_row),
            ("max_bad_samples", self.max_bad_samples),
        ):
            if limit is not None:
                at_least(name, limit, 0)
        given: object = self.fill_value
        if given is not None and not isinstance(given, Mapping):
            shown = shortened(repr(given), _SHOWN)
            raise InvalidArgument("fill_value", shown, "a dict with a value for each column: {'image': …}")
        if self.fill_value is not None and self.on_bad_sample != "fill":
            raise InvalidArgument("fill_value", "given", "on_bad_sample='fill' beside it")


def concerns_all(error: BaseException) -> bool:
    """Tell an error that no policy may pass over from one about a sample."""
    if isinstance(error, ChunkUnavailable):
        return _UNAUTHORIZED in error.statuses
    return isinstance(error, _BEYOND_SAMPLES) or (isinstance(error, ServiceRefused) and error.status == _UNAUTHORIZED)
