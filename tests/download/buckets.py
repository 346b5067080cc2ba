"""What the download tests download, with which drivers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core import download
from dataflux_core.emulator import Emulator, Memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core._plan.columns import Wanted

COMPOSED = download.DataFluxDownloadOptimizationParams(100_000_000)
DIRECT = download.DataFluxDownloadOptimizationParams(0)
EMOJI_NAME = "🦜" * 256  # 1024 bytes of UTF-8
ODD_NAMES = [
    "a//b",
    "./q",
    "../r",
    "a/../../etc/passwd",
    "/leading",
    "trailing/",
    "//",
    "\x01control\x7f\t",
    "quote\"back\\slash'",
    "percent%2Fplus+and&amp?query#fragment=x;y",
    " space at both ends ",
    "ünïcödé/日本語",
    "\ufffd\u2028",
    EMOJI_NAME,
]


@dataclass
class Stocked:
    """A bucket of its own for one test."""

    gcs: Emulator
    name: str
    contents: dict[str, bytes] = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[str, int]]:
        return [(name, len(content)) for name, content in self.contents.items()]

    @property
    def expected(self) -> list[bytes]:
        return list(self.contents.values())

    def client(self) -> Any:
        return client_of(self.gcs)

    def put(self, name: str, content: bytes, resource: Mapping[str, Any] | None = None) -> int:
        return self.gcs.put(self.name, name, content, resource)

    def temporaries(self) -> list[str]:
        self.gcs.configure(faults=())
        return [blob.name for blob in self.client().list_blobs(self.name, prefix=download.COMPOSED_PREFIX)]


def client_of(gcs: Emulator) -> Any:
    return storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint}
    )


def stock(gcs: Emulator, name: str, sizes: list[int]) -> Stocked:
    """Make a bucket with objects of these sizes."""
    drawn = random.Random(name)
    contents = {f"data/{number:05d}": drawn.randbytes(size) for number, size in enumerate(sizes)}
    gcs.create_bucket(name, Memory(contents))
    return Stocked(gcs, name, contents)


Driver = "Callable[[Any, str, Wanted, download.DataFluxDownloadOptimizationParams | None], list[bytes]]"


def _by_params(params: Any, more: dict[str, Any]) -> dict[str, Any]:
    """Let parameters decide alone what is composed: small buckets are read directly unless told otherwise."""
    return more if params is None else {"strategy": "compose", **more}


def eager(client: Any, bucket: str, objects: Wanted, params: Any = None, **more: Any) -> list[bytes]:
    return download.dataflux_download("p", bucket, objects, client, params, **_by_params(params, more))


def threaded(client: Any, bucket: str, objects: Wanted, params: Any = None, **more: Any) -> list[bytes]:
    return download.dataflux_download_threaded(
        "p", bucket, objects, client, params, threads=3, **_by_params(params, more)
    )


def parallel(client: Any, bucket: str, objects: Wanted, params: Any = None, **more: Any) -> list[bytes]:
    return download.dataflux_download_parallel(
        "p", bucket, objects, client, params, parallelization=4, **_by_params(params, more)
    )


def lazy(client: Any, bucket: str, objects: Wanted, params: Any = None, **more: Any) -> list[bytes]:
    return list(download.dataflux_download_lazy("p", bucket, objects, client, params, **_by_params(params, more)))


DRIVERS = [eager, threaded, parallel, lazy]
