"""One process, one window at a time: what is held, ours, theirs, past."""

from __future__ import annotations

import logging
import pickle
import random
import threading
from typing import TYPE_CHECKING

import pytest

from dataflux_core._data.cache.node import NodeCache
from dataflux_core._data.cache.options import CacheOptions
from dataflux_core._data.cache.place import FOLDER
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core.errors import InvalidArgument
from tests.cache.caching import (
    PATIENCE_S,
    SIZE,
    cache_at,
    content_of,
    files_of,
    fill,
    held,
    remote,
    unknown,
    url_of,
    verdict_of,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dataflux_core._data.cache.options import Retention


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[NodeCache]:
    with cache_at(tmp_path) as opened:
        yield opened


def test_what_is_stored_is_held_from_then_on(cache: NodeCache) -> None:
    with cache.claim(remote([1, 2, 3])) as claim:
        assert (claim.held, claim.ours, claim.theirs, claim.past) == ([], [0, 1, 2], [], [])
        assert claim.store(0, content_of(1))
        assert claim.store(2, content_of(3))
    with cache.claim(remote([1, 2, 3])) as claim:
        assert (claim.held, claim.ours) == ([0, 2], [1])
        assert [claim.read(position) for position in claim.held] == [content_of(1), content_of(3)]
    assert (cache.stats.hits, cache.stats.misses, cache.stats.stored) == (2, 4, 2)
    assert (cache.stats.bytes_read, cache.stats.bytes_stored) == (2 * SIZE, 2 * SIZE)


def test_a_window_of_thousands_is_one_claim(cache: NodeCache) -> None:
    numbers = list(range(4096))
    with cache.claim(unknown(numbers)) as claim:
        assert len(claim.ours) == 4096
        assert all(claim.store(position, b"%d" % position) for position in claim.ours[::20])
    with cache.claim(unknown(numbers)) as claim:
        assert [claim.read(position) for position in claim.held] == [b"%d" % number for number in numbers[::20]]


def test_no_objects_are_nothing_to_do(cache: NodeCache) -> None:
    with cache.claim(remote([])) as claim:
        assert (claim.held, claim.ours, claim.theirs, claim.past) == ([], [], [], [])


def test_an_empty_object_is_kept_too(cache: NodeCache) -> None:
    with cache.claim(unknown([1])) as claim:
        assert claim.store(0, b"")
    with cache.claim(unknown([1])) as claim:
        assert claim.read(0) == b""


def test_an_object_named_twice_is_fetched_once(cache: NodeCache) -> None:
    with cache.claim(remote([1, 1, 1])) as claim:
        assert (claim.ours, claim.theirs) == ([0], [1, 2])
        assert claim.wait(1, PATIENCE_S) is None, "nobody else fetches it"
        assert claim.store(0, content_of(1))
        assert claim.wait(2, PATIENCE_S) == content_of(1)


@pytest.mark.parametrize(
    ("objects", "content"),
    [
        pytest.param(remote([1]), content_of(2), id="another checksum"),
        pytest.param(RemoteObjects([url_of(1)], [SIZE + 1]), content_of(1), id="another size"),
        pytest.param(remote([1]), content_of(1)[:-1], id="a byte short"),
        pytest.param(remote([1]), b"", id="nothing"),
    ],
)
def test_what_is_not_as_the_index_says_is_not_kept(cache: NodeCache, objects: RemoteObjects, content: bytes) -> None:
    with cache.claim(objects) as claim:
        assert not claim.store(0, content)
    assert cache.stats.refused == 1
    with cache.claim(objects) as claim:
        assert list(claim.ours) == [0]


def test_only_what_is_reserved_can_be_stored(cache: NodeCache) -> None:
    fill(cache, [1])
    with cache.claim(remote([1])) as claim:
        assert not claim.store(0, content_of(1))
    assert not claim.store(0, content_of(1)), "after the release"
    assert claim.read(0) is None
    claim.release()  # twice does no harm


def test_an_object_that_changed_takes_the_place_of_what_it_was(cache: NodeCache, tmp_path: Path) -> None:
    before, after = (RemoteObjects([url_of(1)], None, None, [generation]) for generation in (1, 2))
    for objects, content in ((before, b"old"), (after, b"newer")):
        with cache.claim(objects) as claim:
            assert list(claim.ours) == [0]
            assert claim.store(0, content)
    with cache.claim(after) as claim:
        assert claim.read(0) == b"newer"
    assert list(files_of(tmp_path).values()) == [5]


def test_an_object_that_changed_waits_for_those_who_read_what_it_was(cache: NodeCache) -> None:
    before, after = (RemoteObjects([url_of(1)], None, None, [generation]) for generation in (1, 2))
    with cache.claim(before) as claim:
        claim.store(0, b"old")
        claim.flush()
        with cache.claim(after) as later:
            assert list(later.past) == [0]
    with cache.claim(before) as claim:
        assert claim.read(0) == b"old"


@pytest.mark.parametrize("harm", ["flipped", "cut", "longer", "gone", "a directory", "a link"])
def test_a_damaged_file_is_noticed_and_fetched_again(cache: NodeCache, tmp_path: Path, harm: str) -> None:
    fill(cache, [1, 2])
    mine = tmp_path / "mine"
    mine.write_bytes(content_of(1))
    for name in files_of(tmp_path):
        if "objects" in name:
            hurt(tmp_path / name, harm, mine)
    with cache.claim(remote([1, 2])) as claim:
        assert [claim.read(position) for position in claim.held] == [None, None]
        if harm == "a directory":
            assert list(claim.past) == [0, 1], "it is not ours, so it stays"
            return
        assert list(claim.ours) == [0, 1]
        assert claim.store(0, content_of(1))
        assert claim.store(1, content_of(2))
    assert held(cache, [1, 2]) == [1, 2]
    assert cache.stats.damaged == 2
    assert mine.read_bytes() == content_of(1), "what a link led to is as it was"
    assert verdict_of(tmp_path).flaws == 0


def hurt(path: Path, harm: str, mine: Path) -> None:
    content = path.read_bytes()
    if harm == "flipped":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif harm == "cut":
        path.write_bytes(content[:-1])
    elif harm == "longer":
        path.write_bytes(content + b"!")
    else:
        path.unlink()
        if harm == "a directory":
            path.mkdir()
        elif harm == "a link":
            path.symlink_to(mine)


def test_a_claim_waits_for_another_to_store(tmp_path: Path, cache: NodeCache) -> None:
    other = cache_at(tmp_path)
    with other, cache.claim(remote([1, 2])) as first, other.claim(remote([2, 1])) as second:
        assert list(second.theirs) == [0, 1]
        got: list[bytes | None] = []
        waiter = threading.Thread(target=lambda: got.append(second.wait(1, PATIENCE_S)))
        waiter.start()
        first.store(0, content_of(1))
        first.flush()
        waiter.join(PATIENCE_S)
        assert got == [content_of(1)]
        first.give_up(1)
        first.flush()
        assert second.wait(0, PATIENCE_S) is None
        assert list(second.ours) == [0]
        assert second.store(0, content_of(2))
    with other:
        assert held(other, [1, 2]) == [1, 2]


def test_two_claims_that_wait_for_each_other_end(cache: NodeCache) -> None:
    with cache.claim(remote([1])) as first, cache.claim(remote([2])) as second, cache.claim(remote([1, 2])) as third:
        first.store(0, content_of(1))
        second.store(0, content_of(2))
        assert third.wait(0, 0) is None, "the time is over, so whoever waits fetches"
        second.flush()
        assert third.wait(1, PATIENCE_S) == content_of(2)


def test_what_is_pinned_is_never_evicted(tmp_path: Path) -> None:
    with cache_at(tmp_path, 2 * SIZE, "lru") as cache:
        fill(cache, [1, 2])
        with cache.claim(remote([1])) as reading:
            fill(cache, [3])
            with cache.claim(remote([4, 5])) as claim:
                assert (list(claim.ours), list(claim.past)) == ([0], [1])
            assert reading.read(0) == content_of(1)
        fill(cache, [6, 7])
        assert held(cache, [1, 2, 3, 6, 7]) == [6, 7]


def test_what_is_full_streams_through_and_half_of_each_epoch_is_found(tmp_path: Path) -> None:
    assert hits_of(tmp_path, "keep") == 0.5


def test_lru_finds_less_under_a_fresh_order_as_is_known(tmp_path: Path) -> None:
    assert hits_of(tmp_path, "lru") < 0.4


def hits_of(path: Path, retention: Retention) -> float:
    """Read 200 objects in windows of 10 over three epochs in fresh orders, where half of them fit."""
    luck = random.Random(4)
    hits = 0
    with cache_at(path, 100 * SIZE, retention) as cache:
        fill(cache, range(100))
        for _ in range(3):
            order = luck.sample(range(200), 200)
            for start in range(0, 200, 10):
                numbers = order[start : start + 10]
                with cache.claim(remote(numbers)) as claim:
                    hits += sum(claim.read(position) is not None for position in claim.held)
                    for position in claim.ours:
                        claim.store(position, content_of(numbers[position]))
    return hits / 600


def test_entries_that_nobody_asks_for_any_more_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10**15
    monkeypatch.setattr("dataflux_core._data.cache.eviction.now_us", lambda: now)
    monkeypatch.setattr("dataflux_core._data.cache.admission.now_us", lambda: now)
    with NodeCache(CacheOptions(tmp_path, 3 * SIZE, idle_s=100.0)) as cache:
        fill(cache, [1, 2, 3])
        now += 60 * 10**6
        assert held(cache, [1]) == [1]
        now += 60 * 10**6
        fill(cache, [4])
        assert held(cache, [1, 2, 3, 4]) == [1, 3, 4]


def test_a_lowered_limit_is_kept_from_the_next_opening_on(tmp_path: Path) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, range(10))
    with cache_at(tmp_path, 4 * SIZE) as cache:
        assert cache.claim(remote([])).held == []
        assert sum(files_of(tmp_path).values()) == 4 * SIZE
        assert cache.stats.evictions == 6


def test_the_lowest_limit_of_those_who_use_it_holds(tmp_path: Path) -> None:
    with cache_at(tmp_path, 10 * SIZE) as wide:
        fill(wide, range(5))
        with cache_at(tmp_path, 2 * SIZE) as narrow:
            assert len(held(narrow, range(10))) == 2
            fill(wide, range(20, 30))
            assert sum(files_of(tmp_path).values()) == 2 * SIZE
        fill(wide, range(20, 30))
        assert sum(files_of(tmp_path).values()) == 10 * SIZE


@pytest.mark.parametrize("size", [0, 1, 1000, SIZE])
def test_an_object_of_unknown_size_is_kept_where_it_fits(tmp_path: Path, size: int) -> None:
    with cache_at(tmp_path, SIZE) as cache:
        with cache.claim(unknown([1])) as claim:
            assert claim.store(0, b"x" * size)
        assert not list(cache.claim(unknown([1])).ours)
        with cache.claim(unknown([2])) as claim:
            assert not (claim.ours and claim.store(0, b"x" * (SIZE + 1)))
    assert sum(files_of(tmp_path).values()) == size
    assert verdict_of(tmp_path).flaws == 0


def test_an_object_larger_than_the_limit_evicts_nothing(tmp_path: Path) -> None:
    with cache_at(tmp_path, 2 * SIZE, "lru") as cache:
        fill(cache, [1, 2])
        with cache.claim(RemoteObjects([url_of(3)], [2 * SIZE + 1])) as claim:
            assert list(claim.past) == [0]
        assert held(cache, [1, 2]) == [1, 2]


def test_a_limit_of_nothing_caches_nothing(tmp_path: Path) -> None:
    with cache_at(tmp_path, 0) as cache, cache.claim(remote([1, 2])) as claim:
        assert list(claim.past) == [0, 1]


def test_a_cache_travels_without_what_it_has_open(cache: NodeCache) -> None:
    fill(cache, [1])
    with pickle.loads(pickle.dumps(cache)) as copy:
        assert copy.options == cache.options
        assert copy.stats.stored == 0
        assert held(copy, [1]) == [1]
    assert pickle.loads(pickle.dumps(cache.stats)) == cache.stats


def test_a_closed_cache_opens_again(cache: NodeCache) -> None:
    fill(cache, [1])
    cache.close()
    cache.close()
    assert held(cache, [1]) == [1]
    assert (cache.stats.stored, cache.stats.hits) == (1, 1), "it goes on counting"


def test_a_claim_keeps_its_cache_open(tmp_path: Path) -> None:
    fill(cache_at(tmp_path), [1])
    claim = cache_at(tmp_path).claim(remote([1, 2]))
    assert claim.read(0) == content_of(1)
    assert claim.store(1, content_of(2))
    claim.release()
    del claim
    assert not list((tmp_path / FOLDER / "live").iterdir()), "whoever nobody holds has left"


def test_threads_share_one_cache(cache: NodeCache, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failures: list[Exception] = []

    def run(seed: int) -> None:
        try:
            work(cache, 100, seed, epochs=2)
        except Exception as error:  # noqa: BLE001 - of a thread, looked at below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not failures
    assert cache.stats.stored == 100, "each was fetched once, whoever asked for it"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"limit_bytes": -1}, id="a limit below nothing"),
        pytest.param({"retention": "fifo"}, id="an unknown retention"),
        pytest.param({"idle_s": 0.0}, id="no time at all"),
    ],
)
def test_options_without_meaning_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(wrong))):
        CacheOptions(tmp_path, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["AAA", "AAAAAAAA", "é"])
def test_a_checksum_that_is_none_lets_its_object_alone_past_the_cache(cache: NodeCache, text: str) -> None:
    known = remote([1, 2])
    assert known.crc32cs is not None
    with cache.claim(RemoteObjects(known.urls, known.sizes, [text, known.crc32cs[1]])) as claim:
        assert (claim.ours, claim.past) == ([1], [0])


def test_hostile_urls_are_only_hashed(cache: NodeCache, tmp_path: Path) -> None:
    urls = ["../../x", "/etc/passwd", "gs://b/\x00", "gs://b/\udcff", "", "gs://b/" + "é" * 5000]
    with cache.claim(RemoteObjects(urls)) as claim:
        assert all(claim.store(position, b"content") for position in claim.ours)
    assert len(files_of(tmp_path)) == len(urls)
    assert {entry.name for entry in tmp_path.iterdir()} == {".dataflux-cache"}
