"""What the listing tests list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

if TYPE_CHECKING:
    from dataflux_core.emulator import Emulator, ShapeName
    from dataflux_core.fast_list import ListingController

SHAPES: list[ShapeName] = ["sequential", "unpadded", "uuids", "imagenet", "hive", "skewed", "deep", "unicode", "mixed"]
OBJECTS = 60_000

ODD_NAMES = [
    "a//b",
    "./q",
    "/leading",
    "trailing/x/",
    "\x01control\x7f",
    "a",
    "a/",
    "a/b",
    "a0",
    "a ",
    "a  ",
    'quote"back\\slash',
    "percent%2Fplus+and&amp?#",
    "😀" * 256,
    "漢字",
    "\uffff",
    "\U00010000",
    "é",
    "e\u0301",
    "dataflux-composed-objects/left-over",
    "dataflux-composed-objectsnot",
]


def client_of(gcs: Emulator) -> storage.Client:
    return storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint}
    )


class Make(Protocol):
    """Makes a controller for a bucket of a service."""

    def __call__(self, gcs: Emulator, bucket: str, parallelism: int = 16, **options: Any) -> ListingController: ...
