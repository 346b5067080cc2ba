"""A compose by the caller's own hand fails as everything else does: by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest
from google.api_core.exceptions import NotFound

from dataflux_core import download, errors
from dataflux_core.emulator import Fault, Memory
from tests.download.buckets import Stocked, client_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core.emulator import Emulator

Stock: TypeAlias = "Callable[[list[int]], Stocked]"


def test_objects_are_joined(stocked: Stock) -> None:
    bucket = stocked([3, 0, 4])
    download.compose("p", bucket.name, "joined", bucket.pairs, bucket.client())
    assert download.download_single(bucket.client(), bucket.name, "joined") == b"".join(bucket.expected)


def test_a_missing_source_is_named(stocked: Stock) -> None:
    bucket = stocked([3, 4])
    # "a" is part of the address that google's message repeats.
    with pytest.raises(errors.ObjectNotFound) as caught:
        download.compose("p", bucket.name, "joined", [*bucket.pairs, ("a", 1)], bucket.client())
    assert (caught.value.bucket, caught.value.name) == (bucket.name, "a")
    assert isinstance(caught.value.__cause__, NotFound)


def test_a_missing_bucket_is_named(gcs: Emulator) -> None:
    with pytest.raises(errors.BucketNotFound, match="gs://nowhere"):
        download.compose("p", "nowhere", "joined", [("a", 1)], client_of(gcs))


def test_who_may_not_write_is_told_so(gcs: Emulator) -> None:
    gcs.create_bucket("readable", Memory({"a": b"1"}, permissions=frozenset({"storage.objects.get"})))
    with pytest.raises(errors.AccessDenied, match="storage.objects.create"):
        download.compose("p", "readable", "joined", [("a", 1)], client_of(gcs))


def test_a_service_that_is_down_is_named(stocked: Stock) -> None:
    bucket = stocked([3])
    bucket.gcs.configure(faults=[Fault("compose", "503")])
    with pytest.raises(errors.ServiceRefused, match="joined: HTTP 503"):
        download.compose("p", bucket.name, "joined", bucket.pairs, bucket.client(), retry_config=None)
