"""Which objects a cache holds, takes in, lets go: decided without a disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.retention import (
    Entry,
    Wanted,
    admitted,
    agrees,
    room_wanted,
    sort_window,
    victims,
)

ENTRY = Entry(id=1, mark=2, size=100, crc32c=7, generation=5, room=100, used=0, claim=1, stored=1)
FETCHED = ENTRY._replace(stored=0, size=-1, crc32c=-1, generation=0)


@pytest.mark.parametrize(
    ("wanted", "entry", "agreed"),
    [
        pytest.param(Wanted(1, 2, -1, -1, 0), ENTRY, True, id="an index that knows nothing takes what is there"),
        pytest.param(Wanted(1, 2, 100, -1, 0), ENTRY, True, id="the size is known and agrees"),
        pytest.param(Wanted(1, 2, 101, -1, 0), ENTRY, False, id="another size is another object"),
        pytest.param(Wanted(1, 2, -1, 8, 0), ENTRY, False, id="another checksum is another object"),
        pytest.param(Wanted(1, 2, -1, 7, 6), ENTRY, True, id="the same bytes written anew are the same bytes"),
        pytest.param(Wanted(1, 2, 100, -1, 6), ENTRY, False, id="another generation is another object"),
        pytest.param(
            Wanted(1, 2, 100, -1, 5), ENTRY._replace(generation=0), False, id="a generation that nobody knows is none"
        ),
        pytest.param(Wanted(1, 3, -1, -1, 0), ENTRY, False, id="another URL with half the hash in common"),
        pytest.param(Wanted(1, 2, 100, 7, 5), FETCHED, True, id="nothing known speaks against what is being fetched"),
        pytest.param(
            Wanted(1, 2, -1, -1, 5), FETCHED._replace(generation=4), False, id="another generation is being fetched"
        ),
    ],
)
def test_an_entry_is_what_is_wanted_as_far_as_the_index_knows(wanted: Wanted, entry: Entry, agreed: bool) -> None:
    assert agrees(wanted, entry) is agreed


def test_a_window_is_sorted_into_held_missing_theirs_past_and_named_again() -> None:
    window = [Wanted(number, 2, 100, -1, 5) for number in (1, 2, 3, 3, 4, 5)]
    entries = {
        1: ENTRY,
        2: FETCHED._replace(id=2),
        4: ENTRY._replace(id=4, generation=4),
        5: ENTRY._replace(id=5, generation=4),
    }
    found = sort_window(window, entries, pinned={5})
    assert (found.held, found.theirs, found.missing, found.again) == ([0], [1], [2, 4], [3])
    assert found.outdated == [entries[4]]
    assert found.past == [5], "what another still reads is not taken from it"


@given(st.lists(st.integers(0, 50)), st.one_of(st.none(), st.integers(-20, 200)))
def test_what_is_let_in_never_exceeds_what_is_free(rooms: list[int], free: int | None) -> None:
    answers = admitted(rooms, free)
    assert len(answers) == len(rooms)
    if free is None:
        assert all(answers)
    else:
        assert sum(room for room, fits in zip(rooms, answers, strict=True) if fits) <= max(free, 0)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), unique_by=lambda pair: pair[0]),
    st.sets(st.integers(0, 40)),
    st.integers(-5, 400),
)
def test_victims_are_the_oldest_that_nobody_has_pinned_and_no_more_than_needed(
    entries: list[tuple[int, int]], pinned: set[int], wanted: int
) -> None:
    oldest_first = [ENTRY._replace(id=number, room=room) for number, room in entries]
    free_ones = [entry for entry in oldest_first if entry.id not in pinned]
    chosen = victims(oldest_first, pinned, wanted)
    assert chosen == free_ones[: len(chosen)]
    assert sum(entry.room for entry in chosen[:-1]) < max(wanted, 1)
    if sum(entry.room for entry in free_ones) >= wanted:
        assert sum(entry.room for entry in chosen) >= min(wanted, sum(entry.room for entry in free_ones))


@pytest.mark.parametrize(
    ("wanted", "held", "entries", "limit", "room"),
    [
        pytest.param(Wanted(1, 2, 123, -1, 0), 0, 0, None, 123, id="the size where it is known"),
        pytest.param(Wanted(1, 2, -1, -1, 0), 1000, 10, None, 100, id="a middling object where it is not"),
        pytest.param(Wanted(1, 2, -1, -1, 0), 0, 0, None, 65536, id="something while there is none to go by"),
        pytest.param(Wanted(1, 2, -1, -1, 0), 0, 0, 1600, 100, id="never so much that none would be let in"),
    ],
)
def test_room_is_set_aside_before_an_object_is_fetched(
    wanted: Wanted, held: int, entries: int, limit: int | None, room: int
) -> None:
    assert room_wanted(wanted, held=held, entries=entries, limit=limit) == room


def test_no_two_claims_write_the_same_file() -> None:
    names = {ENTRY._replace(id=number, claim=claim).file_name for number in (-1, 1) for claim in (1, 2)}
    assert len(names) == 4
    assert all(name.startswith("objects/") and name.count("/") == 3 for name in names)
