"""A listing that was interrupted goes on where its file says it was: exact, nothing asked for twice."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflux_core._plan.listing import KeyRange
from dataflux_core._run.listing.checkpoint import Checkpoint
from dataflux_core._wire.checkpoint import MAGIC, Asked
from dataflux_core._wire.listing import Scope
from dataflux_core._wire.page import page_of
from dataflux_core.emulator import Emulator, Memory, Synthetic
from dataflux_core.errors import BucketNotFound, FileNotWritten, InvalidArgument, ResumeFileUnusable
from tests.listing.namespaces import client_of
from tests.processes import start_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.listing.namespaces import Make

OBJECTS = 6_000
NAMES = list(Synthetic("mixed", OBJECTS).names(0, OBJECTS))
PAGES = OBJECTS // 100


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    """A service whose pages are so small that a listing needs many."""
    odd = {f"{name:03}{ending}": b"" for name in range(200) for ending in ("", "/")}
    buckets: dict[str, Memory | Synthetic] = {"b": Synthetic("mixed", OBJECTS), "odd": Memory(odd), "empty": Memory()}
    with Emulator(buckets=buckets, max_page=100) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "listing.checkpoint"


def interrupt(make: Make, gcs: Emulator, file: Path, *, pages: int, **options: Any) -> set[str]:
    """List until `pages` pages were taken; return the names in them."""
    listing = make(gcs, options.pop("bucket", "b"), options.pop("parallelism", 8), resume=file, **options)
    stream = listing.stream()
    parts = list(islice(stream, pages))
    stream.close()  # type: ignore[attr-defined]
    assert len(parts) == pages
    return {name for part in parts for name in part.names}


@pytest.mark.parametrize("parallelism", [1, 8, 32])
@pytest.mark.parametrize("pages", [1, PAGES // 2, PAGES - 2])
def test_an_interrupted_listing_goes_on_where_it_was(
    gcs: Emulator, controller: Make, file: Path, parallelism: int, pages: int
) -> None:
    known = interrupt(controller, gcs, file, pages=pages, parallelism=parallelism)
    listing = controller(gcs, "b", parallelism, resume=file)
    listed: set[str] = set()
    # The first name of a page may be known: a range goes on from the last one that it had, which comes again.
    listing.observer = lambda event: listed.add(event.last)
    assert [name for name, _ in listing.run()] == NAMES
    assert known.isdisjoint(listed)
    assert listing.stats.resumed_objects == len(known)
    assert listing.stats.objects == OBJECTS
    assert not file.exists()


def test_it_may_be_interrupted_again_and_again(gcs: Emulator, controller: Make, file: Path) -> None:
    for pages in range(10, 50, 10):
        interrupt(controller, gcs, file, pages=pages)
    listing = controller(gcs, "b", resume=str(file))
    assert listing.listing().names == NAMES
    assert listing.stats.resumed_objects >= 40 * 50


def test_a_stream_begins_with_what_is_in_the_file(gcs: Emulator, controller: Make, file: Path) -> None:
    early = list(islice(controller(gcs, "b", resume=file).stream(), 5))
    listing = controller(gcs, "b", resume=file)
    parts = list(listing.stream())
    assert [part.names for part in early] == [part.names for part in parts[:5]]
    assert sorted(name for part in parts for name in part.names) == NAMES


def test_the_consumer_of_a_stream_who_fails_at_a_page_is_given_it_again(
    gcs: Emulator, controller: Make, file: Path
) -> None:
    taken: list[str] = []
    stream = controller(gcs, "b", resume=file).stream()
    taken += next(stream).names
    failed = next(stream).names
    stream.close()  # type: ignore[attr-defined]
    assert set(failed) <= {name for part in controller(gcs, "b", resume=file).stream() for name in part.names}


def test_columns_and_what_was_left_out_are_kept(gcs: Emulator, controller: Make, file: Path) -> None:
    expected = controller(gcs, "odd").listing(fields=("generation", "crc32c"))
    listing = controller(gcs, "odd", 2, resume=file)
    next(listing.stream(fields=("generation", "crc32c"))).column("crc32c")
    resumed = controller(gcs, "odd", 2, resume=file)
    found = resumed.listing(fields=("crc32c", "generation"))
    assert found == expected
    assert found.column("generation") == expected.column("generation")
    assert found.column("crc32c") == expected.column("crc32c")
    assert resumed.stats.resumed_objects
    assert resumed.stats.left_out >= 200


def test_a_complete_file_needs_no_call(gcs: Emulator, controller: Make, file: Path) -> None:
    kept = file.with_suffix(".kept")
    stream = controller(gcs, "b", resume=file).stream()
    next(stream)
    kept.hardlink_to(file)  # so that it is whole when the other name is gone, whichever page comes last
    assert sum(len(part) for part in stream) > 0
    assert not file.exists()
    listing = controller(gcs, "b", resume=kept)
    assert listing.listing().names == NAMES
    assert listing.stats.calls == 0


def test_a_fake_client_goes_on_too(gcs: Emulator, controller: Make, file: Path) -> None:
    class Own(type(client_of(gcs))):  # type: ignore[misc]
        """A class of the caller's own."""

    def made(bucket: str) -> Any:
        listing = controller(gcs, bucket, 4, resume=file)
        listing.client.__class__ = Own
        return listing

    next(made("odd").stream())
    listing = made("odd")
    assert [name for name, _ in listing.run()] == [f"{name:03}" for name in range(200)]
    assert listing.stats.resumed_objects
    assert not file.exists()


@pytest.fixture(scope="module")
def half(gcs: Emulator, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a listing that was interrupted half-way, with two or three ranges under way."""
    from dataflux_core.fast_list import ListingController  # noqa: PLC0415 - the fixture of this name is a function's

    def make(gcs: Emulator, bucket: str, parallelism: int = 16, **options: Any) -> ListingController:
        made = ListingController(parallelism, "p", bucket, **options)
        made.client = client_of(gcs)
        return made

    file = tmp_path_factory.mktemp("half") / "checkpoint"
    interrupt(make, gcs, file, pages=4, bucket="odd", parallelism=3)
    return file.read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_at_any_byte_gives_the_exact_listing(
    gcs: Emulator, controller: Make, file: Path, half: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(half)))
    junk = data.draw(st.sampled_from([b"", b"\0" * 512, b"\x01\0\0\0torn"]) if cut > 200 else st.just(b""))
    file.write_bytes(half[:cut] + junk)
    listing = controller(gcs, "odd", 3, resume=file)
    assert [name for name, _ in listing.run()] == [f"{name:03}" for name in range(200)]


def test_a_small_file_cut_at_every_byte_gives_the_exact_listing(controller: Make, file: Path) -> None:
    names = list("abcdefgh")
    with Emulator(buckets={"b": Memory(dict.fromkeys(names, b""))}, max_page=3) as gcs:
        interrupt(controller, gcs, file, pages=2, parallelism=1)
        whole = file.read_bytes()
        for cut in range(len(whole)):
            file.write_bytes(whole[:cut])
            assert [name for name, _ in controller(gcs, "b", 1, resume=file).run()] == names, f"cut at {cut}"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), change=st.integers(1, 255))
def test_a_byte_that_changed_costs_calls_or_is_refused(  # noqa: PLR0913, PLR0917 - where, what
    gcs: Emulator, controller: Make, file: Path, half: bytes, place: int, change: int
) -> None:
    spoilt = bytearray(half)
    spoilt[place % len(half)] ^= change
    file.write_bytes(spoilt)
    try:
        assert [name for name, _ in controller(gcs, "odd", 3, resume=file).run()] == [f"{n:03}" for n in range(200)]
    except ResumeFileUnusable:
        assert file.read_bytes() == spoilt


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"name,size\nx,1\n", "it is not the checkpoint of a listing; nothing in it was touched", id="csv"),
        pytest.param(MAGIC + b"\x09\x00...", "it is of format 9", id="the file of a later version"),
    ],
)
def test_a_file_that_is_not_ours_is_never_touched(
    gcs: Emulator, controller: Make, file: Path, content: bytes, said: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(ResumeFileUnusable, match=said):
        controller(gcs, "b", resume=file).run()
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            {"bucket": "odd"}, "it holds a listing with bucket='b', not bucket='odd'; give another file", id="bucket"
        ),
        pytest.param({"prefix": "a"}, "with prefix='', not prefix='a'", id="prefix"),
        pytest.param(
            {"allowed_storage_classes": None}, "storage_classes=['STANDARD'], not storage_classes=None", id="class"
        ),
        pytest.param({"skip_compose": False}, "skip_composed=True, not skip_composed=False", id="temporaries"),
    ],
)
def test_the_file_of_another_listing_is_refused(
    gcs: Emulator, controller: Make, file: Path, options: dict[str, Any], said: str
) -> None:
    interrupt(controller, gcs, file, pages=3)
    before = file.read_bytes()
    with pytest.raises(ResumeFileUnusable) as raised:
        controller(gcs, **{"bucket": "b", **options}, resume=file).run()
    assert said in str(raised.value)
    assert str(file) in str(raised.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("", "it cannot be used (Is a directory); give a file", id="a directory"),
        pytest.param("missing/file", "it cannot be used (No such file or directory)", id="in no directory"),
        pytest.param("/dev/null", "it is no regular file", id="a device"),
    ],
)
def test_what_cannot_be_a_file_is_refused(
    gcs: Emulator, controller: Make, tmp_path: Path, path: str, said: str
) -> None:
    with pytest.raises(ResumeFileUnusable) as raised:
        controller(gcs, "b", resume=tmp_path / path).run()
    assert said in str(raised.value)


def test_what_is_no_path_is_refused_at_once(gcs: Emulator, controller: Make) -> None:
    with pytest.raises(InvalidArgument, match="resume=True: expected the path of a file"):
        controller(gcs, "b", resume=True)


def test_a_pipe_is_refused_without_waiting_for_its_other_end(gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ResumeFileUnusable, match="it is no regular file"):
        controller(gcs, "b", resume=tmp_path / "pipe").run()


def test_a_file_is_for_one_listing_at_a_time(gcs: Emulator, controller: Make, file: Path) -> None:
    first = controller(gcs, "b", resume=file).stream()
    next(first)
    with pytest.raises(ResumeFileUnusable, match="another listing is writing it; wait for that one"):
        controller(gcs, "b", resume=file).run()
    assert len(NAMES) > sum(len(part) for part in first)
    assert not file.exists()


def test_a_file_that_took_the_place_of_ours_is_left_alone(gcs: Emulator, controller: Make, file: Path) -> None:
    stream = controller(gcs, "b", resume=file).stream()
    next(stream)
    file.unlink()
    file.write_text("somebody else's")
    assert sum(len(part) for part in stream) > 0
    assert file.read_text() == "somebody else's"


def test_a_file_that_cannot_be_locked_is_refused(
    gcs: Emulator, controller: Make, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(ResumeFileUnusable, match=r"it cannot be locked \(No locks available\)"):
        controller(gcs, "b", resume=file).run()


def test_a_listing_that_never_began_leaves_no_file(gcs: Emulator, controller: Make, file: Path) -> None:
    with pytest.raises(BucketNotFound):
        controller(gcs, "nowhere", resume=file).run()
    assert not file.exists()
    assert controller(gcs, "empty", resume=file).run() == []
    assert not file.exists()


def test_the_target_of_a_link_is_used_and_removed(gcs: Emulator, controller: Make, file: Path) -> None:
    file.symlink_to("target")
    interrupt(controller, gcs, file, pages=3)
    assert file.with_name("target").is_file()
    assert len(controller(gcs, "b", resume=file).run()) == OBJECTS
    assert file.is_symlink()
    assert not file.exists()


def test_a_forked_child_that_lets_go_neither_unlocks_nor_removes(gcs: Emulator, controller: Make, file: Path) -> None:
    stream = controller(gcs, "b", resume=file).stream()
    next(stream)
    child = os.fork()
    if not child:
        stream.close()  # type: ignore[attr-defined]
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(ResumeFileUnusable, match="another listing is writing it"):
        controller(gcs, "b", resume=file).run()
    stream.close()  # type: ignore[attr-defined]
    assert controller(gcs, "b", resume=file).listing().names == NAMES


LIST_ON_A_SMALL_DISK = """
import resource, sys
from dataflux_core.errors import ResumeFileUnusable
from dataflux_core.fast_list import ListingController
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    ListingController(8, "p", "b", resume=sys.argv[1]).run()
except ResumeFileUnusable as error:
    print(error)
"""


def test_a_full_disk_ends_a_listing_that_can_go_on_later(gcs: Emulator, controller: Make, file: Path) -> None:
    with start_script(LIST_ON_A_SMALL_DISK, gcs.environ, str(file)) as script:
        said, complaints = script.communicate()
    assert (said, complaints) == (
        f"{file}: it cannot be used (File too large); make room, then list again: what it holds is kept\n",
        "",
    )
    assert file.stat().st_size == 50_000
    listing = controller(gcs, "b", resume=file)
    assert listing.listing().names == NAMES
    assert listing.stats.resumed_objects


def test_a_file_that_could_not_be_written_needs_no_call_later(gcs: Emulator, controller: Make, file: Path) -> None:
    failing = controller(gcs, "b", resume=file)
    in_the_way = file.with_name("directory")
    failing.observer = lambda _: in_the_way.mkdir(exist_ok=True)
    with pytest.raises(FileNotWritten):
        failing.to_csv(in_the_way)
    listing = controller(gcs, "b", resume=file)
    assert listing.to_csv(file.with_name("listing.csv")) == OBJECTS
    assert listing.stats.calls == 0
    assert not file.exists()


def test_what_is_written_is_not_kept_in_mind(file: Path) -> None:
    """A listing by folder writes a part a folder, so the ranges of millions would be held in memory."""
    page = page_of(["a"], [1])
    with suppress(InterruptedError), Checkpoint(file, Asked.of("", Scope("b"))) as checkpoint:
        checkpoint.append([(KeyRange("", "b"), page)], 0)
        assert checkpoint.covered == []
        raise InterruptedError
    assert file.exists()


def test_a_file_that_is_cut_while_it_is_read_is_refused(gcs: Emulator, controller: Make, file: Path) -> None:
    """Its ranges count as listed, so rows that are gone would be missing from the result."""
    interrupt(controller, gcs, file, pages=6)
    stream = controller(gcs, "b", resume=file).stream()
    next(stream)
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(ResumeFileUnusable, match="it was changed meanwhile; delete it to begin anew"):
        list(stream)
    assert file.exists()


def test_where_names_repeat_the_rows_that_come_again_are_dropped_for_good(file: Path) -> None:
    asked = Asked.of("", Scope("b"))
    pages = [page_of(["a", "b", "b"], [1, 2, 3]), page_of(["b", "b"], [4, 5]), page_of(["x", "y"], [6, 7])]
    ranges = [KeyRange("", "b"), KeyRange("b", "b"), KeyRange("x", None)]  # one lies within the repetitions
    with suppress(InterruptedError), Checkpoint(file, asked) as checkpoint:
        checkpoint.append(zip(ranges, pages, strict=True), 0)
        raise InterruptedError
    with suppress(InterruptedError), Checkpoint(file, asked) as checkpoint:
        kept = [page.name_list() for _, page in checkpoint.pages([KeyRange("b", "x")])]
        again = [page_of(["b", "b", "b"], [2, 3, 4]), page_of(["b", "c"], [5, 6])]
        checkpoint.append(zip([KeyRange("b", "b"), KeyRange("b", "x")], again, strict=True), 0)
        raise InterruptedError
    with Checkpoint(file, asked) as checkpoint:
        sizes = [page.size_list() for _, page in checkpoint.pages([])]
    assert kept == [["a"], [], ["x", "y"]]
    assert [of_page for of_page in sizes if of_page] == [[1], [6, 7], [2, 3, 4], [5, 6]]


def test_repetitions_of_a_name_amid_what_is_left_are_dropped(file: Path) -> None:
    """A page of one name alone finishes nothing, so its range and the one below it are one in the next run."""
    with suppress(InterruptedError), Checkpoint(file, Asked.of("", Scope("b"))) as checkpoint:
        checkpoint.append([(KeyRange("", "b"), page_of(["a"], [1])), (KeyRange("m", "m"), page_of(["m"], [2]))], 0)
        raise InterruptedError
    with Checkpoint(file, Asked.of("", Scope("b"))) as checkpoint:
        kept = [page.name_list() for _, page in checkpoint.pages([KeyRange("b", None)])]
    assert kept == [["a"], []]
