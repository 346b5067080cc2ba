"""A client that is not a plain storage.Client is used through its public methods, no more of them than fakes have."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import google_crc32c
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core import download, errors
from dataflux_core._data.listing import Listing
from dataflux_core._run.access import access_of
from dataflux_core._wire.objects import crc32c_text
from dataflux_core._wire.page import page_of
from dataflux_core.fast_list import ListingController
from dataflux_core.user_agent import add_dataflux_user_agent
from tests.download.buckets import COMPOSED, DIRECT, DRIVERS, EMOJI_NAME, ODD_NAMES, Stocked, eager

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeBlob:
    def __init__(self, bucket: FakeBucket, name: str) -> None:
        self._bucket, self.name = bucket, name

    def compose(self, sources: list[FakeBlob], retry: object) -> None:
        self._bucket.log("compose", retry)
        self._bucket.contents[self.name] = b"".join(source.content() for source in sources)

    def download_as_bytes(self, retry: object) -> bytes:
        self._bucket.log("read", retry)
        return self.content()

    def delete(self, retry: object) -> None:
        self._bucket.log("delete", retry)
        self.content()
        del self._bucket.contents[self.name]

    def content(self) -> bytes:
        if self.name not in self._bucket.contents:
            raise exceptions.NotFound(self.name)
        return self._bucket.contents[self.name]


class FakeBucket:
    def __init__(self, contents: dict[str, bytes], granted: list[str]) -> None:
        self.contents, self.granted = contents, granted
        self.calls: list[str] = []
        self.retries: set[object] = set()
        self.threads: set[int] = set()

    def log(self, call: str, retry: object) -> None:
        self.calls.append(call)
        self.retries.add(retry)
        self.threads.add(threading.get_ident())

    def blob(self, name: str) -> FakeBlob:
        return FakeBlob(self, name)

    def test_iam_permissions(self, permissions: list[str]) -> list[str]:
        return [permission for permission in permissions if permission in self.granted]


class FakeClient:
    def __init__(
        self, sizes: list[int], granted: tuple[str, ...] = ("storage.objects.create", "storage.objects.delete")
    ) -> None:
        self.originals = {f"o{number:04d}": bytes([number % 256]) * size for number, size in enumerate(sizes)}
        self.fake_bucket = FakeBucket(dict(self.originals), list(granted))
        self._connection = SimpleNamespace(user_agent="fake/1")

    def bucket(self, name: str) -> FakeBucket:
        assert name == "b"
        return self.fake_bucket

    @property
    def pairs(self) -> list[tuple[str, int]]:
        return [(name, len(content)) for name, content in self.originals.items()]

    @property
    def expected(self) -> list[bytes]:
        return list(self.originals.values())


SIZES = [0, 1, 100, 5000] * 30


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("params", [COMPOSED, DIRECT, None], ids=["composed", "direct", "defaults"])
def test_every_driver_returns_every_byte_in_order(driver: Any, params: Any) -> None:
    client = FakeClient(SIZES)
    assert driver(client, "b", client.pairs, params) == client.expected
    assert client.fake_bucket.contents == client.originals
    assert ("compose" in client.fake_bucket.calls) == (params is not DIRECT)


def test_the_callers_retry_reaches_every_call(driver: Any) -> None:
    client = FakeClient(SIZES)
    mine = object()
    driver(client, "b", client.pairs, retry_config=mine)
    assert client.fake_bucket.retries == {mine}


def test_without_permission_objects_are_read_directly(driver: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = FakeClient(SIZES, granted=())
    assert driver(client, "b", client.pairs) == client.expected
    assert set(client.fake_bucket.calls) == {"read"}
    assert [record.getMessage().split()[0] for record in caplog.records] == ["read.composes_not"]


def test_a_fake_without_permissions_composes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(FakeBucket, "test_iam_permissions")
    client = FakeClient(SIZES)
    assert eager(client, "b", client.pairs) == client.expected
    assert "compose" in client.fake_bucket.calls


def test_the_default_driver_calls_from_one_thread_others_from_as_many_as_asked(driver: Any) -> None:
    client = FakeClient([10] * 200)
    driver(client, "b", client.pairs, DIRECT)
    threads = client.fake_bucket.threads
    if driver.__name__ in {"eager", "lazy"}:
        assert threads == {threading.get_ident()}
    else:
        assert 1 <= len(threads) <= 4
        assert threading.get_ident() not in threads


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_an_object_that_changed_its_size_is_named_and_nothing_is_left(driver: Any, params: Any) -> None:
    client = FakeClient([10] * 100)
    client.fake_bucket.contents["o0050"] = b"x" * 11
    with pytest.raises(errors.ObjectChanged) as caught:
        driver(client, "b", client.pairs, params)
    assert (caught.value.name, caught.value.listed, caught.value.read) == ("o0050", 10, 11)
    assert len(client.fake_bucket.contents) == 100


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_an_object_that_was_deleted_is_named_and_nothing_is_left(driver: Any, params: Any) -> None:
    client = FakeClient([10] * 100)
    del client.fake_bucket.contents["o0050"]
    with pytest.raises(errors.ObjectNotFound, match="gs://b/o0050"):
        driver(client, "b", client.pairs, params)
    assert len(client.fake_bucket.contents) == 99


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        pytest.param(exceptions.Forbidden("no"), errors.AccessDenied, id="a permission that is missing"),
        pytest.param(exceptions.Unauthorized("who?"), errors.AccessDenied, id="credentials that are missing"),
        pytest.param(exceptions.NotFound("The bucket does not exist"), errors.BucketNotFound, id="a missing bucket"),
        pytest.param(exceptions.ServiceUnavailable("later"), errors.ServiceRefused, id="a service that is down"),
        pytest.param(
            exceptions.RetryError("gave up", exceptions.TooManyRequests("slowly")),
            errors.ServiceRefused,
            id="retries used up on refusals",
        ),
        pytest.param(
            exceptions.RetryError("gave up", ConnectionResetError("reset")),
            errors.ConnectionBroken,
            id="retries used up on connections",
        ),
    ],
)
@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_a_clients_errors_are_ours(
    raised: Exception, expected: type[errors.DatafluxError], params: Any, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FakeBlob, retry: object) -> bytes:  # noqa: ARG001 - as the method
        raise raised

    monkeypatch.setattr(FakeBlob, "download_as_bytes", refuse)
    client = FakeClient([10] * 3)
    with pytest.raises(errors.DatafluxError) as caught:
        driver(client, "b", client.pairs, params)
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised
    assert client.fake_bucket.contents == client.originals


def test_a_delete_that_fails_takes_no_bytes_away(
    driver: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: FakeBlob, retry: object) -> None:  # noqa: ARG001 - as the method
        raise OSError("the network is down")

    monkeypatch.setattr(FakeBlob, "delete", fail)
    client, stats = FakeClient([10] * 40), download.DownloadStats()
    assert driver(client, "b", client.pairs, stats=stats) == client.expected
    assert stats.temporaries_kept == 2
    assert [record.getMessage().split()[0] for record in caplog.records] == ["temporaries.kept"] * 2


def test_other_bytes_of_the_same_size_are_a_change_where_checksums_are_known(driver: Any) -> None:
    client = FakeClient([10] * 40)
    checksums = [crc32c_text(google_crc32c.value(content)) for content in client.expected]
    listing = Listing([page_of(list(client.originals), [10] * 40, {"crc32c": checksums})], ("crc32c",))
    assert driver(client, "b", listing) == client.expected
    client.fake_bucket.contents["o0020"] = b"x" * 10
    with pytest.raises(errors.ObjectChanged, match="o0020"):
        driver(client, "b", listing)


def test_an_interrupt_leaves_no_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: FakeBlob, retry: object) -> bytes:  # noqa: ARG001 - as the method
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeBlob, "download_as_bytes", interrupt)
    client = FakeClient([10] * 10)
    with pytest.raises(KeyboardInterrupt):
        eager(client, "b", client.pairs)
    assert client.fake_bucket.contents == client.originals


def test_the_user_agent_is_marked_once() -> None:
    client = FakeClient([1])
    add_dataflux_user_agent(client)
    add_dataflux_user_agent(client)
    eager(client, "b", client.pairs)
    assert client._connection.user_agent == "dataflux/1.0 fake/1"


def test_a_user_agent_is_made_where_there_is_none() -> None:
    client = SimpleNamespace(_connection=SimpleNamespace(user_agent=None))
    add_dataflux_user_agent(client)
    assert client._connection.user_agent == "dataflux/1.0"


def test_a_real_clients_user_agent_is_marked_once_so_that_its_connections_serve_again(
    stocked: Callable[[list[int]], Stocked],
) -> None:
    bucket = stocked([10] * 3)
    client = bucket.client()
    before = client._connection.user_agent
    endpoints = set()
    for _ in range(3):
        eager(client, bucket.name, bucket.pairs)
        add_dataflux_user_agent(client)
        assert client._connection.user_agent.split() == ["dataflux/1.0", *before.split()]
        endpoints.add(access_of(client).endpoint)
    assert len(endpoints) == 1


def test_single_objects_are_composed_decomposed_or_read() -> None:
    client = FakeClient([3, 0, 4])
    assert download.download_single(client, "b", "o0002") == client.expected[2]
    blob = download.compose("p", "b", "joined", client.pairs, client)
    assert blob.name == "joined"
    assert download.decompose("p", "b", "joined", client.pairs, client) == client.expected


def test_more_than_32_sources_are_refused() -> None:
    client = FakeClient([1] * 33)
    with pytest.raises(errors.InvalidArgument, match="1 to 32"):
        download.compose("p", "b", "joined", client.pairs, client)
    assert client.fake_bucket.calls == []


def test_a_composite_of_another_size_is_not_split() -> None:
    client = FakeClient([3, 4])
    client.fake_bucket.contents["joined"] = b"12345678"
    with pytest.raises(errors.ObjectChanged, match="joined: listed 7 bytes, found 8"):
        download.decompose("p", "b", "joined", client.pairs, client)


def test_composing_what_cannot_be_found_is_refused_where_a_fake_cannot_say_which_it_is() -> None:
    client = FakeClient([3])
    with pytest.raises(errors.ServiceRefused, match="gs://b/joined: HTTP 404: .*gone"):
        download.compose("p", "b", "joined", [("o0000", 3), ("gone", 1)], client)


class OwnTransport(storage.Client):  # type: ignore[misc] # google-cloud-storage ships no types
    """A subclass may send its requests as it likes."""

    def __init__(self, endpoint: str) -> None:
        super().__init__("p", AnonymousCredentials(), client_options={"api_endpoint": endpoint})
        self.buckets_asked_for = 0

    def bucket(self, *arguments: Any, **options: Any) -> Any:
        self.buckets_asked_for += 1
        return super().bucket(*arguments, **options)


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_a_subclass_of_the_client_is_used_through_its_methods(
    driver: Any, params: Any, stocked: Callable[[list[int]], Stocked]
) -> None:
    bucket = stocked([100] * 40)
    client = OwnTransport(bucket.gcs.endpoint)
    assert driver(client, bucket.name, bucket.pairs, params) == bucket.expected
    assert client.buckets_asked_for
    assert bucket.temporaries() == []


def listing_with_generations(bucket: Stocked) -> Listing:
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    return controller.listing(fields=["generation"])


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_a_subclass_reads_the_generations_that_were_listed(
    driver: Any, params: Any, stocked: Callable[[list[int]], Stocked]
) -> None:
    bucket = stocked([100] * 10)
    listing = listing_with_generations(bucket)
    client = OwnTransport(bucket.gcs.endpoint)
    assert driver(client, bucket.name, listing, params) == bucket.expected
    generation = bucket.put("data/00004", b"x" * 100)
    with pytest.raises(errors.ObjectChanged) as caught:
        driver(client, bucket.name, listing, params)
    assert (caught.value.name, caught.value.read) == ("data/00004", generation)
    bucket.put("data/00004", b"x" * 101)
    with pytest.raises(errors.ObjectChanged, match="data/00004: listed 100 bytes, found 101"):
        driver(client, bucket.name, listing, params)
    bucket.client().bucket(bucket.name).blob("data/00004").delete()
    with pytest.raises(errors.ObjectNotFound, match="data/00004"):
        driver(client, bucket.name, listing, params)
    assert bucket.temporaries() == []


def test_a_subclass_returns_stored_bytes_too(stocked: Callable[[list[int]], Stocked]) -> None:
    bucket = stocked([])
    bucket.contents["z"] = b"\x1f\x8bstored as it is"
    bucket.put("z", bucket.contents["z"], {"contentEncoding": "gzip"})
    assert eager(OwnTransport(bucket.gcs.endpoint), bucket.name, bucket.pairs) == bucket.expected


def test_a_subclass_reads_names_of_every_kind(stocked: Callable[[list[int]], Stocked]) -> None:
    bucket = stocked([])
    for name in [name for name in ODD_NAMES if name not in {"a/../../etc/passwd", "./q", "../r"}]:
        bucket.contents[name] = name.encode()
        bucket.put(name, bucket.contents[name])
    assert EMOJI_NAME in bucket.contents
    assert eager(OwnTransport(bucket.gcs.endpoint), bucket.name, bucket.pairs) == bucket.expected
