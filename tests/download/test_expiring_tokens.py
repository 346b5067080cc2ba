"""A token that ends while many requests are in flight is replaced once, wherever those requests are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from google.auth import exceptions
from google.auth.credentials import Credentials
from google.cloud import storage

from dataflux_core import download, errors
from dataflux_core.emulator import Fault
from tests.download.ways import SIZES, WAYS, Way, lower_limits
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_limits(monkeypatch)


class Rotating(Credentials):
    """Credentials whose token is whatever the service wants at the moment."""

    def __init__(self, bucket: Stocked) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._gcs = bucket.gcs
        self._wanted = 0
        self.refreshes = 0
        self.is_revoked = False
        self.rotate()
        self.token = self._name()

    def rotate(self) -> None:
        """Let the present token end."""
        self._wanted += 1
        self._gcs.configure(token=self._name())

    def refresh(self, request: object) -> None:  # noqa: ARG002 - nobody is asked
        if self.is_revoked:
            raise exceptions.RefreshError("the account is gone")
        self.token = self._name()
        self.refreshes += 1  # only now: whoever waits for it lets this token end, too

    def _name(self) -> str:
        return f"token-{self._wanted}"


@pytest.fixture
def bucket(stocked: Stock) -> Stocked:
    return stocked(SIZES)


def client_with(credentials: Credentials, bucket: Stocked) -> Any:
    return storage.Client("p", credentials, client_options={"api_endpoint": bucket.gcs.endpoint})


def assert_nothing_left(bucket: Stocked) -> None:
    bucket.gcs.configure(token=None)
    assert wait_until(lambda: bucket.temporaries() == [])


@contextmanager
def held_up(bucket: Stocked) -> Iterator[None]:
    """Let all composes and the reads of one object fail until the end of the block, so that downloads last as long."""
    bucket.gcs.configure(faults=[Fault("read", "503", match="data/00100"), Fault("compose", "503")])
    bucket.gcs.reset_requests()
    try:
        yield
    finally:
        bucket.gcs.configure(faults=())


def is_held_up(bucket: Stocked) -> bool:
    return bucket.gcs.requests().errors.get("503", 0) > 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_token_that_ends_midway_is_replaced_once_each_time(way: Way, bucket: Stocked) -> None:
    credentials = Rotating(bucket)
    with ThreadPoolExecutor(1) as pool:
        with held_up(bucket):
            reading = pool.submit(way.read, client_with(credentials, bucket), bucket.name, bucket.pairs)
            assert wait_until(lambda: is_held_up(bucket))
            for ends in (1, 2, 3):
                credentials.rotate()
                assert wait_until(lambda ends=ends: credentials.refreshes == ends)  # type: ignore[misc]
        assert reading.result() == bucket.expected
    assert credentials.refreshes == 3
    assert_nothing_left(bucket)


def test_a_token_that_ends_for_eight_threads_is_replaced_once(bucket: Stocked) -> None:
    credentials = Rotating(bucket)
    client = client_with(credentials, bucket)
    with ThreadPoolExecutor(8) as pool:
        with held_up(bucket):
            reading = [pool.submit(way.read, client, bucket.name, bucket.pairs) for way in WAYS[:4] * 2]
            assert wait_until(lambda: is_held_up(bucket))
            credentials.rotate()
            assert wait_until(lambda: credentials.refreshes == 1)
        assert all(read.result() == bucket.expected for read in reading)
    assert credentials.refreshes == 1
    assert_nothing_left(bucket)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_credentials_that_are_revoked_midway_are_an_error_and_cleaning_removes_what_they_could_not(
    way: Way, bucket: Stocked
) -> None:
    credentials = Rotating(bucket)
    with ThreadPoolExecutor(1) as pool:
        with held_up(bucket):
            reading = pool.submit(way.read, client_with(credentials, bucket), bucket.name, bucket.pairs)
            assert wait_until(lambda: is_held_up(bucket))
            credentials.is_revoked = True
            credentials.rotate()
        error = reading.exception()
    assert isinstance(error, errors.AccessDenied), error
    bucket.gcs.configure(token=None)
    client = bucket.client()
    assert wait_until(
        lambda: not download.clean_composed_objects(bucket.name, older_than=timedelta(0), storage_client=client)
    )
    assert bucket.temporaries() == []
