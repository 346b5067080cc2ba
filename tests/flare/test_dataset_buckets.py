"""A playlist in a bucket is read as other sources of datasets are: by the environment, or with the client given."""

from __future__ import annotations

import pickle
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import BadSample, CredentialsMissing, InvalidArgument, ObjectNotFound, PlaylistInvalid
from dataflux_core.flare import Playlist
from dataflux_core.flare.torch import FlareDataset
from dataflux_core.streaming import StreamingDataset
from tests.flare.datasets import json_chunks, numbered_spec
from tests.streaming.loaders import Cell, loaded_in
from tests.streaming.streams import MANY_WORKERS, flat, numbers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [MANY_WORKERS, pytest.mark.timeout(100)]

COUNTS = (5,) * 8
URL = "gs://b/numbers.yaml"
ALL = [{"n": number} for number in range(40)]


def text(gcs: Emulator, folder: str) -> bytes:
    return Playlist([numbered_spec(f"{gcs.endpoint}/b/{folder}", COUNTS)]).dump().encode()


def client_of(endpoint: str) -> storage.Client:
    return storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": endpoint})


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator of which the environment says nothing."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    with Emulator(buckets={"b": Memory({f"d/{n}": chunk for n, chunk in enumerate(json_chunks(COUNTS))})}) as running:
        running.put("b", "numbers.yaml", text(running, "d"))
        yield running


@pytest.fixture
def told(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """One that the environment names."""
    for name, value in gcs.environ.items():
        monkeypatch.setenv(name, value)
    return gcs


WAYS: dict[str, Callable[..., StreamingDataset]] = {"a dataset": StreamingDataset, "the short way": FlareDataset}


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_environment_says_where(way: Callable[..., StreamingDataset]) -> None:
    assert list(way(URL)) == ALL
    assert list(Playlist.load(URL)["x"].records()) == ALL


@pytest.mark.parametrize("is_made", [False, True], ids=["a client", "a function that makes one"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_client_that_is_given_says_where(way: Callable[..., StreamingDataset], is_made: bool, gcs: Emulator) -> None:
    source = partial(client_of, gcs.endpoint)
    assert list(way(URL, storage_client=source if is_made else source())) == ALL


def test_without_client_and_environment_it_is_said_what_to_do(gcs: Emulator) -> None:
    del gcs
    with pytest.raises(CredentialsMissing, match="STORAGE_EMULATOR_HOST"):
        StreamingDataset(URL)


@pytest.mark.usefixtures("told")
def test_what_is_not_there_or_no_playlist_is_named(told: Emulator) -> None:
    told.put("b", "wrong.yaml", b"[]")
    for client in (None, client_of(told.endpoint)):
        with pytest.raises(ObjectNotFound, match=r"gs://b/none\.yaml"):
            StreamingDataset("gs://b/none.yaml", storage_client=client)
        with pytest.raises(PlaylistInvalid, match=r"gs://b/wrong\.yaml"):
            StreamingDataset("gs://b/wrong.yaml", storage_client=client)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loader_workers_read_on(method: str, gcs: Emulator) -> None:
    dataset = StreamingDataset(URL, storage_client=partial(client_of, gcs.endpoint))
    given = flat(numbers_of(batch) for batch in loaded_in(Cell(1, 1, method), dataset))
    assert sorted(given) == list(range(40))


def test_a_client_cannot_be_sent_to_another_process(gcs: Emulator) -> None:
    dataset = StreamingDataset(URL, storage_client=client_of(gcs.endpoint))
    with pytest.raises(InvalidArgument, match="storage_client.* a function that makes one"):
        pickle.dumps(dataset)


@pytest.mark.parametrize("is_copy", [False, True], ids=["here", "in a copy"])
def test_where_its_urls_have_expired_it_is_read_again_with_the_client(is_copy: bool, gcs: Emulator) -> None:
    made = StreamingDataset(URL, storage_client=partial(client_of, gcs.endpoint), prefetch_samples=5)
    dataset: Any = pickle.loads(pickle.dumps(made)) if is_copy else made
    iterator = iter(dataset)
    seen = list(islice(iterator, 5))
    bucket = client_of(gcs.endpoint).bucket("b")
    for number, chunk in enumerate(json_chunks(COUNTS)):
        gcs.put("b", f"moved/{number}", chunk)
    gcs.put("b", "numbers.yaml", text(gcs, "moved"))  # first: what is read ahead may miss a chunk at any moment
    for number in range(len(COUNTS)):
        bucket.blob(f"d/{number}").delete()
    assert seen + list(iterator) == ALL


def test_where_it_is_gone_as_well_the_error_says_so(gcs: Emulator) -> None:
    dataset = StreamingDataset(URL, storage_client=client_of(gcs.endpoint))
    bucket = client_of(gcs.endpoint).bucket("b")
    for name in ("numbers.yaml", "d/0"):
        bucket.blob(name).delete()
    with pytest.raises(BadSample, match=r"could not be fetched again: gs://b/numbers\.yaml: no such object"):
        dataset[0]
