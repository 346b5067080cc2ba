"""Hold how samples are made of rows."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflux_core._data.samples.pipeline import Pipeline
from dataflux_core._data.samples.policy import BadSamplePolicy
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflux_core._data.samples.encoded import Sample


@dataclass(frozen=True, slots=True)
class Recipe:
    """A decoder for each loaded column, then the transforms, and what becomes of bad samples.

    Picklable where the decoders and transforms are. Raises InvalidArgument where bad samples are to be filled and
    nothing says with what.
    """

    decoders: Mapping[str, Callable[[Any], Any]]  # of what a row has in the column: an Encoded, or a Packed
    pipeline: Pipeline = field(default_factory=Pipeline)
    policy: BadSamplePolicy = field(default_factory=BadSamplePolicy)
    spread: str = ""  # the column whose value, where it is a dict, is the sample itself

    def __post_init__(self) -> None:
        if self.policy.on_bad_sample == "fill":
            for column in self.decoders:
                self.blank(column)

    def put(self, sample: Sample, column: str, value: Any) -> None:  # noqa: ANN401 - whatever a decoder gives
        """Give a sample the value of a column."""
        if column == self.spread and isinstance(value, dict):
            sample.update(value)
        else:
            sample[column] = value

    def blank(self, column: str) -> Any:  # noqa: ANN401 - whatever the decoder gives
        """Return what stands in for a column, new each time, so that no transform writes to another's."""
        given = self.policy.fill_value or {}
        if column in given:
            return copy.deepcopy(given[column])
        decoder = self.decoders[column]
        made = decoder.blank() if hasattr(decoder, "blank") else None
        if made is None:
            raise InvalidArgument(
                "on_bad_sample",
                "'fill'",
                f"fill_value={{{column!r}: …}} beside it, since {decoder!r} does not say what a blank looks like",
            )
        return made
