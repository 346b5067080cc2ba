"""A listing is exact though one call in twenty fails, in every way that a service can fail a list call.

A few shapes are tried each time; `make faults` tries all of them, with ten times the pages.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest
from google.auth.credentials import Credentials
from google.cloud.storage.retry import DEFAULT_RETRY

from dataflux_core._run import access
from dataflux_core._run.transport import Endpoint
from dataflux_core.emulator import Emulator, Fault, Synthetic
from tests.listing.namespaces import SHAPES
from tests.processes import listers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.api_core.retry import Retry

    from dataflux_core.emulator import ShapeName
    from dataflux_core.fast_list import ListingController, PageEvent
    from tests.listing.namespaces import Make

    Trouble: TypeAlias = Callable[[Emulator, ListingController], None]

PAGE_OBJECTS = 250
FEW, MANY = 20_000, 200_000
SHARE = 0.05  # of all calls
QUICK: Retry = DEFAULT_RETRY.with_delay(initial=0.01, multiplier=1.5, maximum=0.1).with_timeout(60.0)
Kind: TypeAlias = Literal[
    "408", "429", "500", "502", "503", "504", "reset", "lost", "truncate", "checksum", "stall", "empty_page"
]
KINDS: tuple[Kind, ...] = ("408", "429", "500", "502", "503", "504", "reset", "lost", "truncate", "checksum")

pytestmark = pytest.mark.usefixtures("one_helper", "impatience")


@pytest.fixture(scope="module")
def faulty_gcs() -> Iterator[Emulator]:
    """A service with a small and a large bucket of each shape."""
    buckets = {f"{shape}-{count}": Synthetic(shape, count) for shape in SHAPES for count in (FEW, MANY)}
    with Emulator(buckets=buckets, max_page=PAGE_OBJECTS) as gcs:
        yield gcs


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stalled answer be given up after a second."""
    monkeypatch.setattr(access, "Endpoint", partial(Endpoint, stall_timeout_s=1))


def fails(*kinds: Kind, share: float = SHARE) -> Trouble:
    """Let a share of all calls fail in each of the ways."""

    def begin(gcs: Emulator, listing: ListingController) -> None:
        del listing
        gcs.configure(faults=[Fault("list", kind, probability=share, retry_after_s=0) for kind in kinds])

    return begin


class Rotating(Credentials):
    """Credentials whose token is whatever the service wants at the moment."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = self.wanted = "first"  # noqa: S105 - no secret

    def refresh(self, request: object) -> None:
        del request
        self.token = self.wanted


def its_token_ends(gcs: Emulator, listing: ListingController) -> None:
    """Want another token from the thirtieth page on: all calls in flight then fail at once with a 401."""
    credentials = Rotating()
    listing.client._credentials = credentials
    pages = 0

    def rotate(event: PageEvent) -> None:
        nonlocal pages
        del event
        pages += 1
        if pages == 30:
            credentials.wanted = "second"
            gcs.configure(token=credentials.wanted)

    listing.observer = rotate


def its_tokens_end_often(gcs: Emulator, listing: ListingController) -> None:
    """Want another token after each fiftieth page, so that some requests meet the end of more than one."""
    credentials = Rotating()
    listing.client._credentials = credentials
    gcs.configure(token=credentials.wanted)
    pages = 0

    def rotate(event: PageEvent) -> None:
        nonlocal pages
        del event
        pages += 1
        if pages % 50 == 0:
            credentials.wanted = f"{pages}"
            gcs.configure(token=credentials.wanted)

    listing.observer = rotate


def its_process_dies(gcs: Emulator, listing: ListingController) -> None:
    """Kill the lister process as soon as there is one, while calls fail, pages are empty."""
    fails("503", "empty_page")(gcs, listing)
    killed: list[int] = []

    def kill(event: PageEvent) -> None:
        del event
        if listing.stats.processes > 1 and not killed:
            killed.extend(listers_of(os.getpid()))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    listing.observer = kill


TROUBLES = [
    *(pytest.param(fails(kind), id=kind) for kind in KINDS),
    pytest.param(fails("empty_page", share=0.3), id="empty pages"),
    pytest.param(fails("503", "empty_page", "reset", "truncate", "lost", "500", "429"), id="a mixture"),
    pytest.param(its_token_ends, id="401, since the token has ended"),
    pytest.param(its_tokens_end_often, id="401, since one token after another ends"),
    pytest.param(its_process_dies, id="a lister process is killed"),
]
# libcurl takes the speed of the last five seconds, so that each stall costs six: test_exact.py tries a single one.
STALLS = pytest.param(fails("stall", share=0.01), id="stall")


def assert_exact(gcs: Emulator, make: Make, names: Synthetic, trouble: Trouble) -> None:
    listing = make(gcs, f"{names.shape}-{len(names)}", 24, retry_config=QUICK)
    trouble(gcs, listing)
    try:
        assert list(listing.listing().names) == names.names()
    finally:
        gcs.configure(faults=(), token=None)
    assert listing.stats.peak_in_flight <= 24


@pytest.mark.parametrize("shape", ["imagenet", "mixed", "skewed"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_some_shapes(faulty_gcs: Emulator, controller: Make, shape: ShapeName, trouble: Trouble) -> None:
    assert_exact(faulty_gcs, controller, Synthetic(shape, FEW), trouble)


@pytest.mark.matrix
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("trouble", [*TROUBLES, STALLS])
def test_every_shape(faulty_gcs: Emulator, controller: Make, shape: ShapeName, trouble: Trouble) -> None:
    assert_exact(faulty_gcs, controller, Synthetic(shape, MANY), trouble)
