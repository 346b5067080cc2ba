"""Sort the objects of a call by where they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflux_core._plan.columns import UNKNOWN_SIZE, ObjectColumns
from dataflux_core._run.fetching.s3_signing import check_key
from dataflux_core._wire.urls import place_of, shown_url
from dataflux_core.errors import DatafluxError, InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._plan.remote import RemoteObjects
    from dataflux_core._wire.urls import Place

_CRC32C = re.compile("[A-Za-z0-9+/]{6}==")


@dataclass(slots=True)
class Sorted:
    """The positions of a call's objects by source, with the places that they name."""

    buckets: dict[str, list[int]] = field(default_factory=dict)  # on Google Cloud Storage
    web: list[int] = field(default_factory=list)  # of any server, S3 included
    files: list[int] = field(default_factory=list)
    wrong: list[tuple[int, DatafluxError]] = field(default_factory=list)  # that cannot be asked for
    places: dict[int, Place] = field(default_factory=dict)


def sort_objects(objects: RemoteObjects) -> Sorted:
    """Read every URL; what cannot mean anything is an error in the place of its object."""
    found = Sorted()
    for position, url in enumerate(objects.urls):
        try:
            place = place_of(url)
            if place.scheme == "s3":
                check_key(url, place.bucket, place.name)
            _check_crc32c(url, crc32c_of(objects, position))
        except InvalidArgument as error:
            found.wrong.append((position, error))
            continue
        found.places[position] = place
        if place.scheme == "gs":
            found.buckets.setdefault(place.bucket, []).append(position)
        else:
            (found.files if place.scheme == "file" else found.web).append(position)
    return found


def columns_of(objects: RemoteObjects, found: Sorted, positions: list[int]) -> ObjectColumns:
    """Return some objects of one bucket as its reader takes them."""
    return ObjectColumns(
        [found.places[position].name for position in positions],
        [size_of(objects, position) for position in positions],
        None if objects.generations is None else [max(0, int(objects.generations[at])) for at in positions],
        None if objects.crc32cs is None else [objects.crc32cs[at] or "" for at in positions],
    )


def size_of(objects: RemoteObjects, position: int) -> int:
    """Return the size that the index gives, UNKNOWN_SIZE where it gives none."""
    return UNKNOWN_SIZE if objects.sizes is None else max(UNKNOWN_SIZE, int(objects.sizes[position]))


def crc32c_of(objects: RemoteObjects, position: int) -> str:
    """Return the checksum that the index gives, "" where it gives none."""
    return "" if objects.crc32cs is None else objects.crc32cs[position] or ""


def _check_crc32c(url: str, crc32c: str) -> None:
    if crc32c and not _CRC32C.fullmatch(crc32c):
        raise InvalidArgument(f"crc32c of {shown_url(url)}", repr(crc32c), "base64 of four bytes, such as 'AAAAAA=='")
