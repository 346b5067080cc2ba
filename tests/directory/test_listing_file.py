"""A listing that was kept in a file is read back."""

from __future__ import annotations

import json
import tracemalloc
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._data.listing import Listing
from dataflux_core._data.listing_file import read_listing
from dataflux_core._wire.page import page_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = ("generation", "crc32c", "updated")
LISTING = Listing(
    [
        page_of(
            ['a "quoted", name', "b\rc", "é/✓"],
            [1, 22, 0],
            {"generation": [7, 8, 9], "crc32c": ["yZRlqg==", "", "AAAAAA=="], "updated": ["2026-11-01T08:30:00Z"] * 3},
        )
    ],
    FIELDS,
)


def written(listing: Listing, path: Path) -> Path:
    """Write a listing in the format of the path's suffix."""
    if path.suffix == ".parquet":
        listing.to_parquet(path)
    elif path.suffix == ".csv":
        listing.to_csv(path)
    else:
        rows = zip(listing.names, listing.sizes, *map(listing.column, FIELDS), strict=True)
        lines = [json.dumps(dict(zip(("name", "size", *FIELDS), row, strict=True))) for row in rows]
        path.write_text("".join(line + "\n" for line in lines))
    return path


def same(found: Listing, expected: Listing) -> bool:
    columns = all(found.column(field) == expected.column(field) for field in expected.fields)
    return found == expected and found.fields == expected.fields and columns


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_each_format_comes_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    assert same(read_listing(written(LISTING, tmp_path / f"listing.{suffix}")), LISTING)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_what_a_file_is_called_does_not_matter(tmp_path: Path, suffix: str) -> None:
    path = written(LISTING, tmp_path / f"listing.{suffix}").rename(tmp_path / "listing")
    assert same(read_listing(path), LISTING)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1), st.integers(0, 2**62))
)
def test_any_names_come_back_in_order_from_csv(tmp_path_factory: pytest.TempPathFactory, sizes: dict[str, int]) -> None:
    path = tmp_path_factory.mktemp("listing") / "listing.csv"
    names = sorted(sizes)
    Listing([page_of(names[::-1], [sizes[name] for name in names[::-1]])] if names else []).to_csv(path)
    assert list(read_listing(path)) == sorted(sizes.items())


def test_many_rows_in_no_order_become_pages_in_order(tmp_path: Path) -> None:
    rows = [f"{number:05},{number}" for number in range(12_000)]
    path = tmp_path / "listing.csv"
    path.write_text("\n".join(["name,size", *rows[::-1]]))
    found = read_listing(path)
    assert list(found) == [(f"{number:05}", number) for number in range(12_000)]
    assert sorted(page.count for page in found.pages) == [2000, 5000, 5000]


def test_rows_that_another_program_has_shuffled_become_pages_in_order(tmp_path: Path) -> None:
    rows = [f"{number:05},{number},{number},t{number}" for number in range(12_000)]
    Random(1).shuffle(rows)
    path = tmp_path / "listing.csv"
    path.write_text("\n".join(["name,size,generation,content_type", *rows]))
    found = read_listing(path)
    assert list(found) == [(f"{number:05}", number) for number in range(12_000)]
    assert found.column("generation") == list(range(12_000))
    assert found.column("content_type") == [f"t{number}" for number in range(12_000)]
    assert [page.count for page in found.pages] == [5000, 5000, 2000]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'\xef\xbb\xbf{"name": "a", "size": 5}\n', id="JSON behind a byte order mark"),
        pytest.param(b'\n \n{"name": "a", "size": 5}\n\n', id="JSON between blank lines"),
        pytest.param(b' {"name": "a", "size": "5"}', id="JSON behind a blank, a size as the service writes it"),
        pytest.param(b"\xef\xbb\xbfname,size\na,5\n", id="CSV behind a byte order mark"),
        pytest.param(b"\nname,size\r\n\r\na,5\r\n\r\n", id="CSV between blank lines"),
    ],
)
def test_how_a_file_begins_and_ends_does_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "listing"
    path.write_bytes(content)
    assert list(read_listing(path)) == [("a", 5)]


def test_rows_are_packed_as_they_are_read(tmp_path: Path) -> None:
    rows, row_bytes = 60_000, 100
    path = tmp_path / "listing.csv"
    line = "{:060},10000,{},AAAAAA==,2026-11-01T08:30:00.123Z,STANDARD\n".format
    header = "name,size,generation,crc32c,updated,storage_class\n"
    path.write_text(header + "".join(line(number, number) for number in range(rows)))
    tracemalloc.start()
    try:
        assert len(read_listing(path)) == rows
        assert tracemalloc.get_traced_memory()[1] < 3 * rows * row_bytes
    finally:
        tracemalloc.stop()


def test_columns_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "listing.csv"
    path.write_text("label,size,name,generation\ncat,5,a,\n")
    found = read_listing(path)
    assert (list(found), found.fields, found.column("generation")) == ([("a", 5)], ("generation",), [0])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param("", "no columns name and size", id="nothing"),
        pytest.param("gs://b/a\n", "no columns name and size", id="text of ls"),
        pytest.param("name,bytes\na,1\n", "no columns name and size", id="another column"),
        pytest.param("name,size\na,1\nb\n", "row 2: 1 cells, not 2", id="a row too short"),
        pytest.param("name,size\na,many\n", "row 1: size cannot be 'many'", id="a size that is no number"),
        pytest.param("name,size\na,-1\n", "row 1: size cannot be '-1'", id="a negative size"),
        pytest.param("name,size\n,1\n", "row 1: the name of an object cannot be ''", id="no name"),
        pytest.param("name,size\nd/,\n", "row 1: a prefix .* list with -r", id="one level as CSV"),
        pytest.param('name,size\n"a,1\n', "unexpected end of data", id="a quote never closed"),
        pytest.param('{"prefix": "d/"}\n', "row 1: a prefix .* list with -r", id="one level as JSON"),
        pytest.param('{"name": "a"}\n', "row 1: size cannot be None", id="JSON without a size"),
        pytest.param('{"name": "a", "size": 1}\n[1]\n', "row 2: no object", id="JSON of another kind"),
        pytest.param('{"name": "a", "size"\n', "row 1: .*truncated", id="JSON cut off"),
        pytest.param('{"name": "a", "size": true}\n', "row 1: size cannot be True, only digits", id="a size of true"),
        pytest.param("name,size\na,0_5\n", "row 1: size cannot be '0_5', only digits", id="digits as Python has them"),
        pytest.param("name,size\na, 5\n", "row 1: size cannot be ' 5'", id="a blank before the digits"),
        pytest.param("name,size\na,1\nb,\xb2\n", "row 2: size cannot be '\u00b2'", id="digits of another kind"),
        pytest.param(f"name,size\na,{'9' * 5000}\n", "row 1: size cannot be '9999", id="more digits than any size has"),
        pytest.param("name,size\na,9223372036854775808\n", "row 1: size cannot be", id="more bytes than there are"),
        pytest.param(
            '{"name":"a","size":1,"x":' + "[" * 10**5, "row 1: .*recursion", id="JSON that is nested for ever"
        ),
        pytest.param(f"name,size\na,1\n{'b' * 10**6},1\n", "row 2: field larger", id="a name without end"),
        *(
            pytest.param(
                f"name,size,crc32c\na,5,\nb,5,{crc32c}\n", "row 2: crc32c cannot be .*, only 8 characters", id=id_
            )
            for crc32c, id_ in [
                ("abc", "a checksum cut off"),
                ("\xe9", "a checksum that is no base64"),
                ("!!!!!!!!", "a checksum of other signs"),
                ("AAAAAAAAAAA=", "a checksum of eight bytes"),
                ("aGVsbG8h", "a checksum of six bytes"),
            ]
        ),
        pytest.param("name,size\n\xff,1\n", "'utf-8' codec", id="no UTF-8"),
        pytest.param("PAR1", "Parquet", id="the beginning of a Parquet file"),
    ],
)
def test_what_is_no_listing_is_refused_with_the_row(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "listing"
    path.write_bytes(content.encode("latin-1" if "\xff" in content else "utf-8"))
    with pytest.raises(InvalidArgument, match=f"path={path}: expected .*{problem}"):
        read_listing(path)


@pytest.mark.parametrize(
    ("size", "crc32c", "problem"),
    [(-1, "AAAAAA==", "object 'b': size cannot be -1"), (1, "abc", "object 'b': crc32c cannot be 'abc'")],
)
def test_what_no_listing_holds_is_refused_in_parquet_too(tmp_path: Path, size: int, crc32c: str, problem: str) -> None:
    path = tmp_path / "listing.parquet"
    Listing([page_of(["a", "b"], [1, size], {"crc32c": ["", crc32c]})], ("crc32c",)).to_parquet(path)
    with pytest.raises(InvalidArgument, match=f"path={path}: expected .*{problem}"):
        read_listing(path)
