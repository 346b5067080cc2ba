"""What the listing tests list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core._wire.page import Page, page_of

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

# All but the only two that are not allowed.
CONTROLS = [chr(code) for code in (*range(1, 0x20), 0x7F, 0x80, 0x85, 0x9F) if chr(code) not in "\r\n"]
# Whole namespaces, each of some kind that has broken listers.
HOSTILE: dict[str, list[str]] = {
    "names that share 900 bytes": [f"{'shared/' * 128}{number:05d}" for number in range(1000)],
    "names of 1024 bytes that differ in the last ones": [f"{number:x>1024d}" for number in range(1000)],
    "names that differ by trailing spaces": [f"{letter}{' ' * spaces}" for letter in "abc" for spaces in range(300)],
    "each name a prefix of the next": ["n" * length for length in range(1, 1001)],
    "names above a directory of the same name": [
        f"{letter}{number}{tail}"
        for letter in "ab"
        for number in range(100, 200)
        for tail in ("", "//", "/b", "0", "/b/c")
    ],
    "emoji beside ASCII beside CJK": [
        f"{head}{number}" for head in ("😀", "🏳️‍🌈", "a", "漢", "é", "e\u0301") for number in range(200)
    ],
    "names around the end of the basic plane": [
        f"{head}{tail}{number}"
        for head in ("\ud7ff", "\ue000", "\ufffd", "\uffff", "\U00010000", "\U0010ffff")
        for tail in ("", "\ufffd", "\U00010000")
        for number in range(50)
    ],
    "control characters": [f"{control}{number}" for control in CONTROLS for number in range(40)],
    "the same, inside": [f"dir/{control}/{number}" for control in CONTROLS for number in range(40)],
    "hashed prefixes": [f"{number * 2654435761 % 2**32:08x}/data/{number}" for number in range(1000)],
    "one object in each of many deep directories": [f"{'/'.join(f'{number:010b}')}/object" for number in range(1000)],
    "one name above all others": [*(f"a/{number:04d}" for number in range(1000)), "\U0010fffd"],
    "characters that JSON escapes": [f'"\\{number}"\t%2F{number}?&#+' for number in range(600)],
    "two names": ["a", "b"],
    "one name": ["a"],
}


def pages_of(pairs: list[tuple[str, int]], page_objects: int) -> list[Page]:
    """Pack names with their sizes, with the columns generation and crc32c besides."""
    parts = [pairs[start : start + page_objects] for start in range(0, len(pairs), page_objects)]
    return [
        page_of(
            [name for name, _ in part],
            [size for _, size in part],
            {"generation": [size + 1 for _, size in part], "crc32c": [name + "=" for name, _ in part]},
        )
        for part in parts
    ]


def client_of(gcs: Emulator) -> storage.Client:
    return storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint}
    )


class Make(Protocol):
    """Makes a controller for a bucket of a service."""

    def __call__(self, gcs: Emulator, bucket: str, parallelism: int = 16, **options: Any) -> ListingController: ...
