"""Hold a request to the generations that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError, no_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._bucket import Bucket
    from dataflux_core.emulator._http import Request
    from dataflux_core.emulator._objects import StoredObject

# The XML API says the same in headers.
HEADER_NAMES = {
    b"x-goog-if-generation-match": "ifGenerationMatch",
    b"x-goog-if-metageneration-match": "ifMetagenerationMatch",
}
CONDITIONS = ("ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")
NOT_MODIFIED = 304


def conditions(request: Request, prefix: str = "if") -> dict[str, int]:
    """Collect the conditions of a request; `prefix` is `ifSource` for those on the source of a copy."""
    found: dict[str, int] = {}
    for condition in CONDITIONS:
        value = request.number(prefix + condition[2:])
        if value is not None:
            found[condition] = value
    if prefix == "if":
        for header, condition in HEADER_NAMES.items():
            if header in request.headers:
                found[condition] = whole(request.headers[header].decode("latin-1"))
    return found


def hold(stored: StoredObject | None, wanted: Mapping[str, int], *, reading: bool = False) -> None:
    """Raise 412 unless an object meets every condition; generation 0 means that there is none."""
    generation = 0 if stored is None else stored.generation
    metageneration = 0 if stored is None else stored.metageneration
    for condition, value in wanted.items():
        actual = metageneration if "Meta" in condition else generation
        expects_same = "Not" not in condition
        if (actual == value) is expects_same:
            continue
        if reading and not expects_same:
            raise ApiError(NOT_MODIFIED, "Not Modified", "notModified")
        message = "At least one of the pre-conditions you specified did not hold."
        raise ApiError(412, message, "conditionNotMet")


def existing(bucket: Bucket, name: str, request: Request, *, reading: bool = True) -> StoredObject:
    """Find the object a request names, at the generation it names, under its conditions."""
    query = request.query
    stored = bucket.generation(name, request.number("generation")) if "generation" in query else bucket.get(name)
    if stored is None:
        raise no_object(bucket.name, name)
    # Most reads say `alt=media` alone.
    if len(query) > ("alt" in query) or request.headers.keys() & HEADER_NAMES.keys():
        hold(stored, conditions(request), reading=reading)
    return stored


def whole(value: str) -> int:
    """Read the number of a generation."""
    try:
        return int(value)
    except ValueError as error:
        raise ApiError(400, f"Invalid generation: {value}", "invalidParameter") from error
