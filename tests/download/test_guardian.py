"""A guardian deletes what its host has left, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, TypeAlias

import pytest

from dataflux_core import download
from dataflux_core._run.reading import guardian
from dataflux_core.emulator import Emulator
from tests.download.guardians import MARK, guardians
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
NAME = f"{download.COMPOSED_PREFIX}{uuid.UUID(int=0).hex}"


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    """A service of these tests alone: guardians that other tests left are not counted."""
    with Emulator() as gcs:
        yield gcs


@pytest.fixture
def bucket(stocked: Stock) -> Stocked:
    return stocked([])


def end_host(bucket: Stocked, *lines: tuple[str, ...], headers: tuple[str, ...] = ()) -> None:
    """Say `lines` to a guardian, as a host that then ends."""
    introduced = [("@", "key", bucket.gcs.endpoint, "", "", "1", *headers), *lines]
    said = "".join("\t".join(line) + "\n" for line in introduced)
    command = [sys.executable, "-I", "-S", guardian.__file__]
    subprocess.run(command, input=said, text=True, check=True, env={**os.environ, MARK: bucket.name})


def has_ended(bucket: Stocked) -> bool:
    return wait_until(lambda: guardians(bucket.name) == [])


def test_a_temporary_is_deleted(bucket: Stocked) -> None:
    generation = bucket.put(NAME, b"")
    end_host(bucket, ("+", "key", bucket.name, NAME), ("=", NAME, str(generation)))
    assert has_ended(bucket)
    assert bucket.temporaries() == []


def test_an_object_that_took_the_place_of_a_temporary_is_kept(bucket: Stocked) -> None:
    generation = bucket.put(NAME, b"")
    bucket.put(NAME, b"somebody else's")
    end_host(bucket, ("+", "key", bucket.name, NAME), ("=", NAME, str(generation)))
    assert has_ended(bucket)
    assert bucket.gcs.requests()["delete"] == 1
    assert bucket.temporaries() == [NAME]


def test_a_temporary_that_is_gone_is_not_asked_for(bucket: Stocked) -> None:
    end_host(bucket, ("+", "key", bucket.name, NAME), ("-", NAME))
    assert has_ended(bucket)
    assert bucket.gcs.requests()["delete"] == 0


def test_a_temporary_that_was_on_its_way_when_the_host_ended_is_waited_for(bucket: Stocked) -> None:
    end_host(bucket, ("+", "key", bucket.name, NAME))
    assert wait_until(lambda: bucket.gcs.requests()["delete"] >= 1)
    bucket.put(NAME, b"")
    assert has_ended(bucket)
    assert bucket.temporaries() == []


def test_a_temporary_that_was_made_is_not_waited_for(bucket: Stocked) -> None:
    end_host(bucket, ("+", "key", bucket.name, NAME), ("=", NAME, "1"))
    assert has_ended(bucket)
    assert bucket.gcs.requests()["delete"] == 1


def test_a_token_goes_with_each_request(bucket: Stocked) -> None:
    generation = bucket.put(NAME, b"")
    token = uuid.uuid4().hex
    bucket.gcs.configure(token=token)
    authorization = ("~", "key", f"Bearer {token}")
    end_host(bucket, authorization, ("+", "key", bucket.name, NAME), ("=", NAME, str(generation)))
    assert has_ended(bucket)
    bucket.gcs.configure(token=None)
    assert bucket.temporaries() == []


def test_every_header_of_the_endpoint_goes_with_each_request(bucket: Stocked) -> None:
    generation = bucket.put(NAME, b"")
    bucket.gcs.configure(token="header")  # noqa: S106 - the emulator looks at no other header
    lines = [("+", "key", bucket.name, NAME), ("=", NAME, str(generation))]
    end_host(bucket, *lines, headers=("Authorization: Bearer header",))
    assert has_ended(bucket)
    bucket.gcs.configure(token=None)
    assert bucket.temporaries() == []
