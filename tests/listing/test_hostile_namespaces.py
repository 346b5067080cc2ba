"""A listing is exact on namespaces that have broken listers, however many ranges are listed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Memory
from tests.listing.namespaces import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.listing.namespaces import Make


@pytest.fixture(scope="module")
def hostile_gcs() -> Iterator[Emulator]:
    buckets = {f"bucket-{at}": Memory(dict.fromkeys(names, b"")) for at, names in enumerate(HOSTILE.values())}
    with Emulator(buckets=buckets, max_page=25) as gcs:
        yield gcs


@pytest.mark.parametrize("parallelism", [1, 7, 48])
@pytest.mark.parametrize("kind", HOSTILE)
def test_every_name_is_listed_once(hostile_gcs: Emulator, controller: Make, kind: str, parallelism: int) -> None:
    listed = controller(hostile_gcs, f"bucket-{list(HOSTILE).index(kind)}", parallelism).run()
    wanted = [name for name in HOSTILE[kind] if not name.endswith("/")]
    assert [name for name, _ in listed] == sorted(wanted)
