"""What may be asked for, and which part of the namespace that is."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.selection import Selection
from dataflux_core.errors import InvalidArgument

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
TEXT = st.text(st.sampled_from("ab/é😀"), max_size=4)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        pytest.param({"match_glob": b"*"}, "match_glob=b'*': expected a text", id="a glob of bytes"),
        pytest.param({"start_offset": 5}, "start_offset=5: expected a text", id="a number for a name"),
        pytest.param({"end_offset": "\ud800"}, "end_offset=.*UTF-8", id="a text that no name can be"),
        pytest.param({"min_bytes": -1}, "min_bytes=-1: expected a whole number", id="a negative size"),
        pytest.param({"max_bytes": 1.5}, "max_bytes=1.5: expected a whole number", id="a broken size"),
        pytest.param({"max_bytes": True}, "max_bytes=True: expected a whole number", id="a truth for a size"),
        pytest.param({"min_bytes": 5, "max_bytes": 4}, "min_bytes=5: expected at most max_bytes=4", id="no size left"),
        pytest.param({"updated_from": "2026-11-21"}, "updated_from='2026-11-21': expected a datetime", id="a text"),
        pytest.param({"updated_from": NOON.date()}, "updated_from=.*expected a datetime", id="a date without a time"),
        pytest.param({"updated_before": datetime(2026, 11, 21)}, "updated_before=.*time zone", id="no time zone"),  # noqa: DTZ001
        pytest.param(
            {"updated_from": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, "UTC can tell", id="year zero"
        ),
        pytest.param({"updated_from": NOON, "updated_before": NOON}, "updated_from=.*before", id="no time left"),
        pytest.param({"versions": "yes"}, "versions='yes': expected True or False", id="a text for a truth"),
        pytest.param({"versions": True, "soft_deleted": True}, "soft_deleted=True.*versions", id="both generations"),
    ],
)
def test_what_means_nothing_is_refused_by_its_name(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match="^.*" + said.replace("*'", r"\*'")):
        Selection(**wanted)


def test_a_selection_is_a_value() -> None:
    selection = Selection(match_glob="**.jpg", updated_from=NOON)
    assert selection == pickle.loads(pickle.dumps(selection))
    assert len({selection, Selection(match_glob="**.jpg", updated_from=NOON), Selection()}) == 2


@given(TEXT, TEXT, TEXT, TEXT)
def test_the_ranges_hold_the_names_between_the_offsets(prefix: str, start: str, end: str, name: str) -> None:
    name = prefix + name
    ranges = Selection(start_offset=start or None, end_offset=end or None).ranges(prefix)
    inside = name >= start and (not end or name < end)
    held = [part for part in ranges if part.start <= name and (part.end is None or name < part.end)]
    assert len(held) == inside


@pytest.mark.parametrize(
    ("prefix", "offsets"),
    [
        pytest.param("", {"start_offset": "b", "end_offset": "b"}, id="an end at the start"),
        pytest.param("", {"start_offset": "c", "end_offset": "b"}, id="an end before the start"),
        pytest.param("b/", {"end_offset": "b/"}, id="an end at the prefix"),
        pytest.param("b/", {"end_offset": "a"}, id="an end before the prefix"),
        pytest.param("b/", {"start_offset": "b0"}, id="a start beyond the prefix"),
    ],
)
def test_where_nothing_can_be_nothing_is_asked_for(prefix: str, offsets: dict[str, str]) -> None:
    assert Selection(**offsets).ranges(prefix) == []  # type: ignore[arg-type]
