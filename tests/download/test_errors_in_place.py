"""With `on_error="return"` what is wrong with one object stands in its place, every other object is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import errors
from dataflux_core.emulator import Fault
from dataflux_core.fast_list import ListingController
from tests.download.buckets import COMPOSED, DIRECT, DRIVERS, Stocked
from tests.download.ways import QUICK, lower_limits
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

Stock: TypeAlias = "Callable[[list[int]], Stocked]"

SIZES = [100] * 150 + [20_000] * 4
DELETED, GROWN, REPLACED, DAMAGED, REFUSED = (f"data/{at:05d}" for at in (3, 40, 41, 90, 149))
LARGE_DELETED, LARGE_DAMAGED = "data/00150", "data/00152"
WRONG: dict[str, type[errors.DatafluxError]] = {
    DELETED: errors.ObjectNotFound,
    GROWN: errors.ObjectChanged,
    REPLACED: errors.ObjectChanged,
    DAMAGED: errors.ChecksumMismatch,
    REFUSED: errors.ServiceRefused,
    LARGE_DELETED: errors.ObjectNotFound,
    LARGE_DAMAGED: errors.ChecksumMismatch,
}


def spoilt(bucket: Stocked) -> Any:
    """List a bucket, then let something be wrong with seven of its objects; return the listing."""
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    listing = controller.listing(fields=["crc32c"])
    for name in (DELETED, LARGE_DELETED):
        bucket.client().bucket(bucket.name).blob(name).delete()
    bucket.put(GROWN, b"x" * 101)
    bucket.put(REPLACED, b"x" * 100)
    bucket.gcs.configure(
        faults=[
            Fault("read", "checksum", match=DAMAGED),
            Fault("read", "checksum", match=LARGE_DAMAGED),
            Fault("read", "503", match=REFUSED),
        ]
    )
    return listing


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_limits(monkeypatch)


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.__name__)
def test_each_error_stands_in_its_place(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked(SIZES)
    listing = spoilt(bucket)
    retry = QUICK.with_timeout(0.3)
    found = driver(bucket.client(), bucket.name, listing, params, on_error="return", retry_config=retry)
    wrong = {name: type(got) for (name, _), got in zip(listing, found, strict=True) if not isinstance(got, bytes)}
    # What is damaged or refused alone comes right in a composite.
    certain = {DELETED, GROWN, REPLACED, LARGE_DELETED, LARGE_DAMAGED}
    assert wrong == {name: kind for name, kind in WRONG.items() if name in certain or name in wrong}
    assert params is COMPOSED or wrong == WRONG
    for (name, _), got in zip(listing, found, strict=True):
        assert isinstance(got, WRONG[name]) if name in wrong else got == bucket.contents[name]
        assert name not in wrong or name in str(got)
    assert wait_until(lambda: bucket.temporaries() == [])


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.__name__)
def test_what_concerns_no_single_object_is_raised(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([])
    with pytest.raises(errors.BucketNotFound):
        driver(bucket.client(), "nowhere", [("a", 1), ("b", 1)], params, on_error="return")
