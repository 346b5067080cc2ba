from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

import gcsfs.core
import obstore
import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials, Credentials
from google.cloud import storage
from obstore.store import GCSStore

from dataflux_core.emulator import Directory, Emulator, Fault, Memory, Synthetic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANONYMOUS = "anon"
COUNT = 5100
SYNTHETIC = Synthetic("mixed", COUNT, object_bytes=(0, 200))
HELD = {"a.txt": b"hello", "d/é x.txt": b"0123456789", "d/e//f": b"y", "z😀": b""}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    root = tmp_path_factory.mktemp("served")
    (root / "big").write_bytes(bytes(range(256)) * 8192)
    with Emulator(buckets={"made": SYNTHETIC, "tree": Directory(root)}) as gcs:
        yield gcs


@pytest.fixture
def gcs(shared: Emulator) -> Emulator:
    shared.create_bucket("box", Memory(HELD))
    shared.configure(faults=[], token=None)
    shared.reset_requests()
    return shared


@pytest.fixture
def client(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Client]:
    for name, value in gcs.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    made = storage.Client(project="p", credentials=AnonymousCredentials())
    yield made
    made.close()


def test_storage_lists(gcs: Emulator, client: Any) -> None:
    blobs = list(client.list_blobs("made", page_size=5000))
    assert [blob.name for blob in blobs] == SYNTHETIC.names()
    assert [blob.size for blob in blobs] == SYNTHETIC.sizes()
    assert gcs.requests().counts == {"list": 2}
    folded = client.list_blobs("box", delimiter="/")
    assert [blob.name for blob in folded] == ["a.txt", "z😀"]
    assert folded.prefixes == {"d/"}
    assert [blob.name for blob in client.list_blobs("box", match_glob="**.txt")] == ["a.txt", "d/é x.txt"]


def test_storage_downloads(client: Any) -> None:
    for name in (SYNTHETIC.name_at(0), SYNTHETIC.name_at(COUNT // 2), SYNTHETIC.name_at(COUNT - 1)):
        assert client.bucket("made").blob(name).download_as_bytes(checksum="crc32c") == SYNTHETIC.content(name)
    blob = client.bucket("box").blob("d/é x.txt")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert client.bucket("tree").blob("big").download_as_bytes() == bytes(range(256)) * 8192
    with pytest.raises(NotFound):
        client.bucket("box").blob("none").download_as_bytes()


def test_storage_uploads(client: Any, tmp_path: Path) -> None:
    bucket = client.bucket("box")
    content = os.urandom(1 << 20)
    small, large = bucket.blob("small"), bucket.blob("large", chunk_size=256 << 10)
    small.metadata = {"k": "v"}
    small.upload_from_string(b"abc", content_type="text/css", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        small.upload_from_string(b"abc", if_generation_match=0, retry=None)
    (tmp_path / "large").write_bytes(content)
    large.upload_from_filename(str(tmp_path / "large"))
    assert large.download_as_bytes() == content
    described = bucket.get_blob("small")
    assert (described.metadata, described.content_type) == ({"k": "v"}, "text/css")


def test_storage_composes_copies_renames_deletes(client: Any) -> None:
    bucket = client.bucket("box")
    joined = bucket.blob("joined")
    joined.compose([bucket.blob("a.txt"), bucket.blob("d/é x.txt")], if_generation_match=0)
    assert (joined.component_count, joined.md5_hash) == (2, None)
    assert joined.download_as_bytes() == b"hello0123456789"
    assert bucket.copy_blob(joined, bucket, "copied").download_as_bytes() == b"hello0123456789"
    other = bucket.blob("rewritten")
    assert other.rewrite(joined) == (None, 15, 15)
    joined.delete(if_generation_match=joined.generation)
    with pytest.raises(NotFound):
        joined.delete()


def test_storage_deletes_in_batches(gcs: Emulator, client: Any) -> None:
    bucket = client.bucket("box")
    with client.batch():
        for name in HELD:
            bucket.blob(name).delete()
    assert list(client.list_blobs("box")) == []
    assert gcs.requests().counts == {"batch": 1, "delete": len(HELD), "list": 1}


def test_storage_asks_buckets(client: Any) -> None:
    assert client.get_bucket("box").name == "box"
    assert client.lookup_bucket("none") is None
    asked = ["storage.objects.get", "storage.objects.create"]
    assert client.bucket("box").test_iam_permissions(asked) == asked
    client.create_bucket("fresh").delete()


# The client drops the connection of a read that it tries again without closing it; the collector may come at any time.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_storage_meets_faults_that_it_retries(gcs: Emulator, client: Any) -> None:
    gcs.configure(faults=[Fault("read", "503", times=1), Fault("list", "reset", times=1)])
    assert client.bucket("box").blob("a.txt").download_as_bytes() == b"hello"
    assert len(list(client.list_blobs("box"))) == len(HELD)
    assert gcs.requests().errors == {"503": 1, "reset": 1}
    gc.collect()


class Renewed(Credentials):
    """Credentials whose first token has been revoked."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.refreshed = 0
        self.token = str(self.refreshed)

    @property
    def expired(self) -> bool:
        return False

    def refresh(self, request: object) -> None:
        del request
        self.refreshed += 1
        self.token = str(self.refreshed)


def test_storage_renews_its_token_after_401(gcs: Emulator) -> None:
    gcs.configure(token=str(1))
    credentials = Renewed()
    made = storage.Client("p", credentials, client_options={"api_endpoint": gcs.endpoint})
    assert len(list(made.list_blobs("box"))) == len(HELD)
    made.close()
    assert credentials.refreshed == 1
    assert gcs.requests().errors == {"401": 1}


@pytest.fixture
def files(gcs: Emulator) -> Any:
    # The class behind gcsfs.GCSFileSystem, which asks a gRPC service first whether a bucket has folders.
    return gcsfs.core.GCSFileSystem(endpoint_url=gcs.endpoint, token=ANONYMOUS, skip_instance_cache=True)


def test_gcsfs_reads(files: Any) -> None:
    assert files.ls("box") == ["box/a.txt", "box/d", "box/z😀"]
    assert files.find("made") == sorted(f"made/{name}" for name in SYNTHETIC.names())
    assert files.cat("box/d/é x.txt") == b"0123456789"
    assert files.cat_file("box/d/é x.txt", 2, 5) == b"234"
    assert files.info("box/a.txt")["size"] == 5
    assert not files.exists("box/none")


def test_gcsfs_writes(files: Any) -> None:
    content = os.urandom(1 << 20)
    files.pipe("box/p/q", b"abc")
    with files.open("box/large", "wb", block_size=256 << 10) as file:
        file.write(content)
    assert files.cat("box/large") == content
    files.cp("box/p/q", "box/p/r")
    files.rm("box/p/q")
    assert files.find("box/p") == ["box/p/r"]
    files.rm("box/p", recursive=True)
    assert files.find("box/p") == []


def obstore_of(gcs: Emulator, bucket: str) -> Any:
    # A token is given, since it asks the metadata server for one before it writes.
    config: Any = {"base_url": gcs.endpoint, "bearer_token": "any"}
    return GCSStore(bucket, config=config, client_options={"allow_http": True})


def test_obstore_reads(gcs: Emulator) -> None:
    made = obstore_of(gcs, "made")
    listed = [meta for chunk in made.list() for meta in chunk]
    assert [meta["path"] for meta in listed] == SYNTHETIC.names()
    assert [meta["size"] for meta in listed] == SYNTHETIC.sizes()
    assert gcs.requests().counts == {"list": 6}
    box = obstore_of(gcs, "box")
    assert bytes(obstore.get(box, "d/é x.txt").bytes()) == b"0123456789"
    assert bytes(obstore.get_range(box, "d/é x.txt", start=2, end=5)) == b"234"
    assert obstore.head(box, "a.txt")["size"] == 5
    with pytest.raises(FileNotFoundError):
        obstore.get(box, "none")


def test_obstore_writes(gcs: Emulator) -> None:
    box = obstore_of(gcs, "box")
    content = os.urandom(6 << 20)
    obstore.put(box, "n/small", b"abc")
    obstore.put(box, "large", content)
    assert bytes(obstore.get(box, "large").bytes()) == content
    obstore.copy(box, "n/small", "n/copied")
    obstore.rename(box, "n/copied", "n/renamed")
    obstore.delete(box, ["n/small"])
    assert [meta["path"] for meta in obstore.list_with_delimiter(box, "n")["objects"]] == ["n/renamed"]
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(box, "large", b"", mode="create")
