"""A listing goes to Arrow, Parquet and CSV, and comes back from any program's Parquet file, exactly."""

from __future__ import annotations

import csv
import resource
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core import errors
from dataflux_core._data.listing import Listing
from dataflux_core._data.page_order import disentangled, in_name_order, overlapping
from dataflux_core._wire.page import page_of
from dataflux_core.fast_list import ListingController
from tests.listing.namespaces import pages_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from dataflux_core.emulator import Emulator
    from tests.listing.namespaces import Make

NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=6)
AWKWARD = st.text(st.sampled_from('",; é\t\x01\u2028\\'), min_size=1, max_size=5)
PAIRS = st.dictionaries(NAME | AWKWARD, st.integers(0, 2**62), max_size=60).map(lambda pairs: sorted(pairs.items()))
FIELDS = ("generation", "crc32c")
LARGE_ROWS = 300_000
HUGE = pa.array([2**63], pa.uint64())


def rows_of(listing: Listing) -> list[tuple[Any, ...]]:
    columns = [listing.column(field) for field in listing.fields]
    return list(zip(listing.names, listing.sizes, *columns, strict=True))


@pytest.fixture(scope="module")
def large() -> Listing:
    """Three hundred thousand names, in pages as they are listed."""
    pairs = [(f"train/n{number // 1300:08d}/{number:09d}.JPEG", number) for number in range(LARGE_ROWS)]
    return Listing(pages_of(pairs, 5000), FIELDS)


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow beyond 20,000 bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestArrow:
    @given(PAIRS, st.integers(1, 9))
    def test_a_table_holds_what_the_listing_holds(self, pairs: list[tuple[str, int]], page_objects: int) -> None:
        table = Listing(pages_of(pairs, page_objects), FIELDS).to_arrow()
        table.validate(full=True)
        assert table.column("name").to_pylist() == [name for name, _ in pairs]
        assert table.column("size").to_pylist() == [size for _, size in pairs]
        assert table.column("crc32c").to_pylist() == [name + "=" for name, _ in pairs]

    def test_texts_that_are_all_empty_are_as_many_rows(self) -> None:
        table = Listing([page_of(["a", "b"], [1, 2], {"md5": ["", ""]}), page_of(["c"], [3], {"md5": [""]})], ("md5",))
        assert table.to_arrow().column("md5").to_pylist() == ["", "", ""]

    def test_no_name_becomes_a_python_string_on_the_way(self, large: Listing) -> None:
        packed_bytes = sum(len(page.names) for page in large.pages)
        large.to_arrow()  # imports are not what is measured
        tracemalloc.start()
        large.to_arrow()
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < packed_bytes * 2  # a string a name would take 50 bytes more each

    def test_chunks_are_far_from_the_two_gigabytes_that_a_string_column_can_count(self, large: Listing) -> None:
        chunks = large.to_arrow().column("name").chunks
        assert [len(chunk) for chunk in chunks] == [135_000, 135_000, 30_000]


class TestParquet:
    @given(PAIRS, st.integers(1, 9), st.randoms(use_true_random=False))
    def test_pages_written_in_any_order_are_read_back_in_name_order(
        self, tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, int]], size: int, luck: random.Random
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any-order.parquet"
        pages = pages_of(pairs, size)
        luck.shuffle(pages)
        Listing(pages, FIELDS).to_parquet(path)
        again = Listing.from_parquet(path)
        assert rows_of(again) == rows_of(Listing(pages_of(pairs, 100), FIELDS))
        assert again.fields == FIELDS

    def test_row_groups_hold_a_hundred_thousand_rows_not_a_page(self, large: Listing, tmp_path: Path) -> None:
        large.to_parquet(tmp_path / "l.parquet")
        metadata = pq.read_metadata(tmp_path / "l.parquet")
        assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [
            135_000,
            135_000,
            30_000,
        ]

    def test_a_large_file_that_another_program_shuffled_is_sorted(self, large: Listing, tmp_path: Path) -> None:
        table = large.to_arrow()
        rows = [row * 7919 % LARGE_ROWS for row in range(LARGE_ROWS)]  # each row once: 7919 is prime
        pq.write_table(table.take(pa.array(rows)), tmp_path / "l.parquet", row_group_size=70_000)
        again = Listing.from_parquet(tmp_path / "l.parquet")
        assert rows_of(again) == rows_of(large)
        assert max(page.count for page in again.pages) <= 5000

    @pytest.mark.parametrize(
        "names",
        [
            pytest.param(pa.array(["b", "a", "é"]).dictionary_encode(), id="names as a dictionary"),
            pytest.param(pa.array(["b", "a", "é"], pa.large_string()), id="names as large strings"),
            pytest.param(pa.array(["b", "a", "é"], pa.string_view()), id="names as string views"),
        ],
    )
    def test_any_writer_may_have_written_the_names(self, names: pa.Array, tmp_path: Path) -> None:
        table = pa.table({"size": pa.array([2, 1, 3], pa.uint16()), "owner": ["x", "y", "z"], "name": names})
        pq.write_table(table, tmp_path / "l.parquet", row_group_size=2)
        again = Listing.from_parquet(tmp_path / "l.parquet")
        assert list(again) == [("a", 1), ("b", 2), ("é", 3)]
        assert again.fields == ()

    def test_a_column_of_another_type_than_the_field_is_left(self, tmp_path: Path) -> None:
        """As those of the inventory reports of Cloud Storage, whose times are no text."""
        time = pa.array([0], pa.timestamp("us", "UTC"))
        columns = {"name": ["a"], "size": [1], "updated": time, "generation": ["5"], "etag": ["e"]}
        pq.write_table(pa.table(columns), tmp_path / "l.parquet")
        again = Listing.from_parquet(tmp_path / "l.parquet")
        assert (list(again), again.fields, again.column("etag")) == ([("a", 1)], ("etag",), ["e"])

    def test_what_another_writer_left_out_is_what_the_service_leaves_out(self, tmp_path: Path) -> None:
        columns = {"name": ["a", "b"], "size": [1, 2], "md5": ["m", None], "generation": [None, 7]}
        pq.write_table(pa.table(columns), tmp_path / "l.parquet")
        again = Listing.from_parquet(tmp_path / "l.parquet")
        assert (again.column("md5"), again.column("generation")) == (["m", ""], [0, 7])

    @given(st.lists(st.sampled_from("abcdefgh"), max_size=30), st.integers(1, 9))
    def test_a_name_that_comes_again_stays_in_the_order_of_the_file(
        self, tmp_path_factory: pytest.TempPathFactory, names: list[str], row_group: int
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "again.parquet"
        table = pa.table({"name": pa.array(names, pa.string()), "size": pa.array(range(len(names)), pa.int64())})
        pq.write_table(table, path, row_group_size=row_group)
        assert list(Listing.from_parquet(path)) == sorted(zip(names, range(len(names)), strict=True))

    def test_an_empty_listing_is_a_file_too(self, tmp_path: Path) -> None:
        Listing([], FIELDS).to_parquet(tmp_path / "l.parquet")
        again = Listing.from_parquet(tmp_path / "l.parquet")
        assert (len(again), again.fields) == (0, FIELDS)

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            pytest.param({"name": [""], "size": [1]}, "not ''", id="an empty name"),
            pytest.param(
                {"name": ["a"], "size": pa.array([2**63], pa.uint64())}, "a Parquet file", id="a size beyond 64 bits"
            ),
            pytest.param({"name": ["a"], "size": [1], "md5": ["x\ny"]}, "line breaks", id="a line break in a text"),
        ],
    )
    def test_a_column_that_cannot_be_part_of_a_listing_is_refused(
        self, columns: dict[str, Any], said: str, tmp_path: Path
    ) -> None:
        pq.write_table(pa.table(columns), tmp_path / "l.parquet")
        with pytest.raises(errors.InvalidArgument, match=said):
            Listing.from_parquet(tmp_path / "l.parquet")

    def test_names_that_are_no_utf_8_are_refused(self, tmp_path: Path) -> None:
        names = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
        pq.write_table(pa.table({"name": names, "size": [1]}), tmp_path / "l.parquet")
        with pytest.raises(errors.InvalidArgument, match="UTF-8"):
            Listing.from_parquet(tmp_path / "l.parquet")

    def test_a_file_of_another_format_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "l.csv").write_text("name,size\na,1\n")
        with pytest.raises(errors.InvalidArgument, match="a Parquet file"):
            Listing.from_parquet(tmp_path / "l.csv")

    def test_a_damaged_file_is_refused_by_its_name(self, large: Listing, tmp_path: Path) -> None:
        path = tmp_path / "l.parquet"
        large.to_parquet(path)
        damaged = bytearray(path.read_bytes())
        damaged[4:12] = b"\xff" * 8  # the header of the first page
        path.write_bytes(damaged)
        with pytest.raises(errors.InvalidArgument, match="l.parquet: expected a Parquet file"):
            Listing.from_parquet(path)

    @pytest.mark.parametrize("twice", ["name", "size"])
    def test_a_column_that_comes_twice_could_be_either(self, twice: str, tmp_path: Path) -> None:
        columns = {"name": pa.array(["a"]), "size": pa.array([1]), "md5": pa.array(["x"])}
        doubled = [*columns, twice]
        pq.write_table(pa.Table.from_arrays([columns[name] for name in doubled], names=doubled), tmp_path / "l.parquet")
        with pytest.raises(errors.InvalidArgument, match="name and size, each once"):
            Listing.from_parquet(tmp_path / "l.parquet")

    def test_an_optional_column_that_comes_twice_is_left(self, tmp_path: Path) -> None:
        arrays = [pa.array(["a"]), pa.array([1]), pa.array(["x"]), pa.array(["y"])]
        pq.write_table(pa.Table.from_arrays(arrays, names=["name", "size", "md5", "md5"]), tmp_path / "l.parquet")
        assert Listing.from_parquet(tmp_path / "l.parquet").fields == ()

    def test_a_file_that_is_not_there_is_the_system_s_own_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="missing"):
            Listing.from_parquet(tmp_path / "missing.parquet")


class TestCsv:
    @given(PAIRS, st.integers(1, 9))
    def test_any_name_is_read_back_exactly(
        self, tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, int]], page_objects: int
    ) -> None:
        if sys.version_info < (3, 11):  # whose reader takes no NUL
            pairs = [(name, size) for name, size in pairs if "\0" not in name]
        path = tmp_path_factory.getbasetemp() / "any.csv"
        Listing(pages_of(pairs, page_objects), FIELDS).to_csv(path)
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert header == ["name", "size", "generation", "crc32c"]
        assert rows == [[name, str(size), str(size + 1), name + "="] for name, size in pairs]

    def test_only_what_must_be_quoted_is(self, tmp_path: Path) -> None:
        Listing([page_of(["a b", 'c"d', "e,f"], [1, 2, 3])]).to_csv(tmp_path / "l.csv")
        assert (tmp_path / "l.csv").read_bytes() == b'name,size\na b,1\n"c""d",2\n"e,f",3\n'


WRITERS: list[Any] = [
    pytest.param(lambda listing, path: listing.to_parquet(path), id="parquet"),
    pytest.param(lambda listing, path: listing.to_csv(path), id="csv"),
]


class TestFilesAreWholeOrNotThere:
    @pytest.mark.usefixtures("small_files")
    @pytest.mark.parametrize("write", WRITERS)
    def test_a_disk_that_is_full_leaves_the_old_file(
        self, write: Callable[[Listing, Path], None], large: Listing, tmp_path: Path
    ) -> None:
        target = tmp_path / "listing"
        target.write_text("old")
        with pytest.raises(errors.FileNotWritten, match="cannot write .*listing: File too large") as caught:
            write(large, target)
        assert caught.value.path == str(target)
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    @pytest.mark.parametrize("write", WRITERS)
    def test_a_full_device_says_so(self, write: Callable[[Listing, Path], None], large: Listing) -> None:
        with pytest.raises(errors.FileNotWritten, match="/dev/full: No space left on device"):
            write(large, Path("/dev/full"))
        assert Path("/dev/full").is_char_device()

    @pytest.mark.parametrize("write", WRITERS)
    def test_a_directory_that_is_not_there_is_named(
        self, write: Callable[[Listing, Path], None], large: Listing, tmp_path: Path
    ) -> None:
        with pytest.raises(errors.FileNotWritten, match="missing/listing: No such file or directory"):
            write(large, tmp_path / "missing" / "listing")


STREAMS: list[Any] = [
    pytest.param(ListingController.to_parquet, id="parquet"),
    pytest.param(ListingController.to_csv, id="csv"),
]
Stream = Any  # ListingController.to_parquet or its sister


class TestFilesWrittenAsPagesArrive:
    @pytest.mark.parametrize("bucket", ["imagenet", "unicode", "odd", "empty"])
    def test_parquet_holds_the_listing(
        self, shared_gcs: Emulator, controller: Make, bucket: str, tmp_path: Path
    ) -> None:
        path = tmp_path / "l.parquet"
        listed = controller(shared_gcs, bucket).listing(fields=("generation", "updated"))
        assert controller(shared_gcs, bucket).to_parquet(path, fields=("generation", "updated")) == len(listed)
        assert rows_of(Listing.from_parquet(path)) == rows_of(listed)

    @pytest.mark.parametrize("bucket", ["imagenet", "unicode", "odd", "empty"])
    def test_csv_holds_the_listing(self, shared_gcs: Emulator, controller: Make, bucket: str, tmp_path: Path) -> None:
        path = tmp_path / "l.csv"
        listed = controller(shared_gcs, bucket).listing(fields=("crc32c",))
        assert controller(shared_gcs, bucket).to_csv(path, fields=("crc32c",)) == len(listed)
        with path.open(newline="", encoding="utf-8") as file:
            _, *rows = csv.reader(file)
        assert sorted(rows) == sorted([name, str(size), crc32c] for name, size, crc32c in rows_of(listed))

    @pytest.mark.parametrize("stream", STREAMS)
    def test_an_unknown_field_is_refused_before_anything_is_asked(
        self, stream: Stream, shared_gcs: Emulator, controller: Make, tmp_path: Path
    ) -> None:
        shared_gcs.reset_requests()
        with pytest.raises(errors.InvalidArgument, match="colour"):
            stream(controller(shared_gcs, "imagenet"), tmp_path / "l", fields=("colour",))
        assert sum(shared_gcs.requests().counts.values()) == 0
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("stream", STREAMS)
    def test_a_listing_that_fails_leaves_the_old_file(
        self, stream: Stream, shared_gcs: Emulator, controller: Make, tmp_path: Path
    ) -> None:
        target = tmp_path / "l"
        target.write_text("old")
        with pytest.raises(errors.BucketNotFound):
            stream(controller(shared_gcs, "nowhere"), target)
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    @pytest.mark.usefixtures("small_files")
    @pytest.mark.parametrize("stream", STREAMS)
    def test_a_disk_that_is_full_leaves_nothing(
        self, stream: Stream, shared_gcs: Emulator, controller: Make, tmp_path: Path
    ) -> None:
        with pytest.raises(errors.FileNotWritten, match="File too large"):
            stream(controller(shared_gcs, "imagenet"), tmp_path / "l")
        assert list(tmp_path.iterdir()) == []

    def test_a_slow_reader_is_never_more_than_the_pages_in_flight_behind(
        self, shared_gcs: Emulator, controller: Make
    ) -> None:
        parallelism = 4
        listing = controller(shared_gcs, "uuids", parallelism)
        answered: list[int] = []
        listing.observer = lambda page: answered.append(page.count)
        for _ in listing.stream():
            # Whatever a reader does here, nobody asks for more meanwhile: what is asked for is all that can wait.
            assert listing.stats.calls - len(answered) <= parallelism
        assert len(answered) == listing.stats.calls


class TestMemory:
    def test_a_listing_holds_its_names_with_eight_bytes_an_object(self, shared_gcs: Emulator, controller: Make) -> None:
        controller(shared_gcs, "imagenet").listing()  # imports, connections and decoders are not what is measured
        tracemalloc.start()
        listing = controller(shared_gcs, "imagenet").listing()
        held_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        packed_bytes = sum(len(page.names) + 8 * page.count for page in listing.pages)
        assert held_bytes < packed_bytes + 500 * len(listing.pages) + 200_000  # a page as it arrives: 440,000 bytes


class TestOrder:
    def test_pages_of_a_million_rows_are_sorted_without_making_an_object_of_any(self) -> None:
        width = 5000
        made = [page_of([f"{page:04d}/{row:04d}" for row in range(width)], range(width)) for page in range(200)]
        made.reverse()
        tracemalloc.start()
        ordered = in_name_order(made)
        twice = overlapping(ordered)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert twice is None
        assert Listing(ordered)[0] == ("0000/0000", 0)
        assert Listing(ordered)[-1] == ("0199/4999", 4999)
        assert peak_bytes < 200_000  # a fifth of a byte a row

    def test_pages_that_hold_others_between_their_rows_are_cut(self) -> None:
        cut = disentangled([page_of(["a", "d", "z"], [1, 4, 9]), page_of(["b", "e"], [2, 5]), page_of(["c"], [3])])
        assert cut is not None
        assert list(Listing(cut)) == [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("z", 9)]

    def test_pages_too_entangled_to_be_cut_are_left_to_sorting(self) -> None:
        odd, even = ([f"{number:03d}" for number in range(start, 100, 2)] for start in (0, 1))
        assert disentangled([page_of(odd, range(50)), page_of(even, range(50))]) is None

    @pytest.mark.parametrize(
        ("names_repeat", "found"), [(False, "b"), (True, None)], ids=["a name is listed once", "generations repeat it"]
    )
    def test_a_page_that_begins_with_the_name_that_ended_the_one_before(
        self, names_repeat: bool, found: str | None
    ) -> None:
        pages = [page_of(["a", "b"], [1, 1]), page_of(["b", "c"], [1, 1])]
        assert overlapping(pages, names_repeat=names_repeat) == found
