"""A listing is exact on namespaces that have broken listers, however many ranges are listed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.emulator import Emulator, Memory
from dataflux_core.fast_list import ListingController
from tests.listing.namespaces import HOSTILE, client_of

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


# Nine tenths below one deep prefix, the rest identifiers at the root or names of any script.
NAMESPACES = st.builds(
    lambda deep, identifiers, foreign: {
        *(f"{'deep/' * 60}{number}" for number in deep),
        *(f"{number:08x}" for number in identifiers),
        *foreign,
    },
    st.sets(st.integers(0, 5000), max_size=300),
    st.sets(st.integers(0, 2**32 - 1), max_size=20),
    st.sets(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=12).filter(
            lambda name: not name.endswith("/")
        ),
        max_size=30,
    ),
)


@pytest.mark.parametrize("parallelism", [3, 32])
def test_any_namespace_is_listed_as_a_sorted_list_has_it(hostile_gcs: Emulator, parallelism: int) -> None:
    client = client_of(hostile_gcs)

    @settings(max_examples=25, deadline=None)
    @given(NAMESPACES)
    def check(names: set[str]) -> None:
        hostile_gcs.create_bucket("any", Memory(dict.fromkeys(names, b"")))
        listing = ListingController(parallelism, "p", "any")
        listing.client = client
        assert [name for name, _ in listing.run()] == sorted(names)

    check()
