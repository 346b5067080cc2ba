"""Read single rows, in the order in which they are asked for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._data.epoch.feed import Feed
    from dataflux_core._data.samples.encoded import Sample
    from dataflux_core.errors import DatafluxError


def samples_of_rows(feed: Feed, rows: Sequence[int]) -> list[Sample]:
    """Return the sample of each row; raises IndexError for one that there is not, BadSample for one that is bad."""
    count = len(feed.corpus)
    checked = []
    for row in rows:
        place = row.__index__()
        if not -count <= place < count:
            raise IndexError(f"row {place} of {count}")
        checked.append(place % count)
    if not checked:
        return []
    window = feed.corpus.window(np.array(checked, np.int64))
    contents: list[bytes | DatafluxError | None] = [None] * len(window.objects)
    wanted = [place for place in range(len(contents)) if place not in window.unreadable]
    with closing(
        feed.resources.reader_for_rows(feed.options.bounds(workers=1)).read(window.objects, wanted)
    ) as arrived:
        for place, content in arrived:
            contents[place] = content
    makers = feed.corpus.makers()
    samples = []
    for place in range(len(window)):
        outputs = list(makers[window.stream(place)].outputs(window.raw_sample(contents, place)))
        if len(outputs) != 1:
            given = f"{len(outputs)} samples for row {window.rows[place]}"
            raise InvalidArgument("transforms", given, "one for each row where rows are asked for; iterate instead")
        samples += outputs
    return samples
