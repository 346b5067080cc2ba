"""A checkpoint file is read up to where it is torn; what is no checkpoint is told apart."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._wire import checkpoint
from dataflux_core._wire.checkpoint import (
    MAGIC,
    Asked,
    Covered,
    NotACheckpoint,
    read_covered,
    read_frames,
    read_header,
    read_page,
    write_header,
    write_record,
)
from dataflux_core._wire.listing import Scope
from dataflux_core._wire.page import Page, page_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ASKED = Asked.of("http://localhost", Scope("b", fields=("generation", "crc32c")))
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=6)
RECORDS = st.lists(
    st.tuples(st.builds(Covered, NAME, st.one_of(st.none(), NAME), st.integers(0, 5)), st.sets(NAME, max_size=4)),
    max_size=4,
).map(lambda records: [(covered, page_named(sorted(names))) for covered, names in records])


def page_named(names: Sequence[str]) -> Page:
    columns: dict[str, list[str] | list[int]] = {
        "crc32c": [name + "=" for name in names],
        "generation": [len(name) for name in names],
    }
    return page_of(names, [7] * len(names), columns)


def written(records: Sequence[tuple[Covered, Page]]) -> bytes:
    return write_header(ASKED) + b"".join(write_record(covered, page) for covered, page in records)


def read(content: bytes) -> list[tuple[Covered, Page]]:
    source = io.BytesIO(content)
    assert read_header(source) == ASKED
    return [(read_covered(payload), read_page(payload)) for payload in read_frames(source)]


@given(RECORDS)
def test_what_is_written_is_read(records: list[tuple[Covered, Page]]) -> None:
    assert read(written(records)) == records


@given(RECORDS, st.data())
def test_a_file_that_ends_anywhere_holds_the_records_before(
    records: list[tuple[Covered, Page]], data: st.DataObject
) -> None:
    content = written(records)
    begin = len(write_header(ASKED))
    kept = data.draw(st.integers(0, len(content)))
    if kept < begin:
        assert read_header(io.BytesIO(content[:kept])) is None
        return
    whole = [len(written(records[:count])) <= kept for count in range(1, len(records) + 1)]
    assert read(content[:kept]) == records[: sum(whole)]


@given(RECORDS.filter(bool), st.data())
def test_a_byte_that_changed_ends_what_is_read(records: list[tuple[Covered, Page]], data: st.DataObject) -> None:
    content = bytearray(written(records))
    place = data.draw(st.integers(len(write_header(ASKED)), len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    found = read(bytes(content))
    assert found == records[: len(found)]
    assert len(found) < len(records)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"\0" * 4096, id="zeros, as a power loss leaves them"),
        pytest.param(b"\xff" * 8 + b"x", id="a length beyond all reason"),
    ],
)
def test_what_is_no_record_ends_what_is_read(rest: bytes) -> None:
    record = (Covered("", "a", 0), page_named(["a"]))
    assert read(written([record]) + rest) == [record]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"name,size\n" * 9, "not the checkpoint of a listing", id="a file of somebody else's"),
        pytest.param(b"x", "not the checkpoint of a listing", id="a byte of somebody else's"),
        pytest.param(MAGIC + b"\x02\x00", "it is of format 2", id="a later format"),
        pytest.param(MAGIC + b"\x01\x00" + checkpoint._frame(b"\xc1"), "cannot be understood", id="a strange header"),
    ],
)
def test_what_is_no_checkpoint_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(NotACheckpoint, match=said):
        read_header(io.BytesIO(content))


def test_a_record_that_is_whole_but_strange_is_refused() -> None:
    with pytest.raises(NotACheckpoint, match="a record cannot be understood"):
        read_covered(b"\xc1")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        pytest.param(Scope("b", fields=("crc32c", "generation")), "", id="the order of fields does not matter"),
        pytest.param(
            Scope("b", fields=("generation", "crc32c"), user_project="payer"), "", id="nor does it matter who pays"
        ),
        pytest.param(
            Scope("c", fields=("generation", "crc32c")), "bucket='b'", id="a difference is named with its value"
        ),
        pytest.param(
            Scope("b", "p/", ("generation", "crc32c"), None),
            "prefix='', storage_classes=['STANDARD']",
            id="several differences are all named",
        ),
    ],
)
def test_what_was_asked_is_compared(scope: Scope, said: str) -> None:
    assert ASKED.differences(Asked.of("http://localhost", scope)) == said


def test_another_endpoint_is_another_question() -> None:
    assert ASKED.differences(Asked("http://elsewhere", ASKED.scope)) == "endpoint='http://localhost'"
