"""Whoever closes a cache, or drops it, does so beside others who use it."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflux_core._data.cache import ledger as ledger_module
from dataflux_core._data.cache.audit import audited
from dataflux_core._data.cache.ledger import LedgerUnwritten
from tests.cache.caching import SIZE, cache_at, content_of, fill, held, remote, verdict_of

if TYPE_CHECKING:
    from dataflux_core._data.cache.node import NodeCache


def open_ledgers() -> int:
    """Count what this process has open of any ledger, but for those of earlier tests that nobody has any more."""
    gc.collect()
    links = (entry.readlink() for entry in Path("/proc/self/fd").iterdir() if os.path.lexists(entry))
    return sum("ledger" in str(link) for link in links)


def members_of(path: Path) -> int:
    with audited(path) as audit:
        return len(audit.survey().uses)


def test_a_claim_in_use_goes_on_where_the_cache_is_closed_meanwhile(tmp_path: Path) -> None:
    before = open_ledgers()
    with cache_at(tmp_path) as cache:
        with cache.claim(remote([1, 2])) as claim:
            assert claim.store(0, content_of(1))
            cache.close()
            assert claim.store(1, content_of(2))
            with cache.claim(remote([3])) as another:  # the cache is opened anew beside it
                assert another.store(0, content_of(3))
        assert held(cache, [1, 2, 3]) == [1, 2, 3]
        assert cache.stats.stored == 3
    assert open_ledgers() == before
    assert verdict_of(tmp_path).flaws == 0


def test_the_last_claim_leaves_a_cache_that_was_closed(tmp_path: Path) -> None:
    before = open_ledgers()
    cache = cache_at(tmp_path)
    first, second = cache.claim(remote([1])), cache.claim(remote([2]))
    cache.close()
    first.release()
    first.release()
    assert open_ledgers() > before
    second.release()
    assert open_ledgers() == before


def test_closing_amid_the_claims_of_other_threads_miscounts_nothing(tmp_path: Path) -> None:
    before = open_ledgers()
    cache = cache_at(tmp_path, 60 * SIZE)
    failed: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for start in range(60):
                numbers = [first + (start * 7 + at) % 50 for at in range(10)]
                with cache.claim(remote(numbers)) as claim:
                    for position in list(claim.held):
                        claim.read(position)
                    for position in list(claim.ours):
                        claim.store(position, content_of(numbers[position]))
        except BaseException as error:  # noqa: BLE001 - looked at below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        cache.close()
        threads[0].join(0.002)
    for thread in threads:
        thread.join()
    cache.close()
    assert failed == []
    assert open_ledgers() == before
    assert verdict_of(tmp_path).flaws == 0


def test_a_session_that_is_left_takes_part_in_nothing(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    fill(cache, [1])
    session = cache._session
    assert session is not None
    cache.close()
    with pytest.raises(LedgerUnwritten), session.transaction():
        pass


def test_a_cache_that_is_collected_amid_a_transaction_of_its_directory_is_left_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "BUSY_S", 1.0)
    before = open_ledgers()
    with cache_at(tmp_path) as kept:
        fill(kept, [1])
        dropped: list[NodeCache] = [cache_at(tmp_path)]
        fill(dropped[0], [2])
        session = kept._session
        assert session is not None
        with session.transaction():
            dropped.clear()
            gc.collect()
        assert members_of(tmp_path) == 2
        assert held(kept, [1, 2]) == [1, 2]
        assert members_of(tmp_path) == 1
    assert open_ledgers() == before
