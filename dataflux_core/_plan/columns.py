"""Hold the objects to be read as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from operator import index
from typing import Protocol, TypeAlias, TypeGuard, TypeVar, cast

from dataflux_core.errors import InvalidArgument

_T = TypeVar("_T")

UNKNOWN_SIZE = -1  # read whatever there is
_SHOWN = 80  # characters of a wrong value that an error repeats


@dataclass(frozen=True, slots=True)
class ObjectColumns:
    """Objects in the order in which they were asked for; a generation pins the exact bytes of its object."""

    names: Sequence[str]
    sizes: Sequence[int]  # bytes, or UNKNOWN_SIZE
    generations: Sequence[int] | None = None
    checksums: Sequence[str] | None = None  # crc32c as the service writes it, "" where an object has none
    encodings: Sequence[str] | None = None  # content encodings, "" where an object has none

    def __len__(self) -> int:
        return len(self.names)

    def generation(self, position: int) -> int:
        """Return the generation to read, 0 where any will do."""
        return self.generations[position] if self.generations is not None else 0

    def rows(self, start: int, stop: int) -> ObjectColumns:
        generations = None if self.generations is None else self.generations[start:stop]
        checksums = None if self.checksums is None else self.checksums[start:stop]
        encodings = None if self.encodings is None else self.encodings[start:stop]
        return ObjectColumns(self.names[start:stop], self.sizes[start:stop], generations, checksums, encodings)

    def picked(self, positions: Sequence[int]) -> ObjectColumns:
        """Take the objects at some positions, in that order."""

        def pick(column: Sequence[_T] | None) -> list[_T] | None:
            return None if column is None else [column[position] for position in positions]

        names, sizes = pick(self.names) or [], pick(self.sizes) or []
        return ObjectColumns(names, sizes, pick(self.generations), pick(self.checksums), pick(self.encodings))


class Columnar(Protocol):
    """A listing: it holds columns already."""

    @property
    def fields(self) -> Sequence[str]: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def sizes(self) -> Sequence[int]: ...

    def column(self, field: str, /) -> list[str] | list[int]:
        """Return an optional column that is among `fields`."""


Wanted: TypeAlias = Columnar | Iterable[tuple[str, int]]


def columns_of(objects: Wanted) -> ObjectColumns:
    """Take the objects that a caller names, as (name, size) pairs or columns; raises InvalidArgument.

    A wrong entry is named by its position before anything is asked of the service.
    """
    if _is_columnar(objects):
        generations = objects.column("generation") if "generation" in objects.fields else None
        checksums = objects.column("crc32c") if "crc32c" in objects.fields else None
        encodings = objects.column("content_encoding") if "content_encoding" in objects.fields else None
        return ObjectColumns(
            objects.names,
            objects.sizes,
            cast("list[int] | None", generations),
            cast("list[str] | None", checksums),
            cast("list[str] | None", encodings),
        )
    if not isinstance(objects, Iterable) or isinstance(objects, (str, bytes, Mapping, AbstractSet)):
        raise InvalidArgument("objects", _shown(objects), "a sequence of (name, size) pairs or a listing")
    names: list[str] = []
    sizes: list[int] = []
    for position, pair in enumerate(objects):
        if type(pair) is tuple and len(pair) == 2:  # noqa: PLR2004 - a pair
            name, size = pair
            # The usual case first: checking a million pairs in full takes three seconds.
            if type(name) is str and type(size) is int and size >= 0 and name and name.isascii():
                names.append(name)
                sizes.append(size)
                continue
        name, size = _checked(position, pair)
        names.append(name)
        sizes.append(size)
    return ObjectColumns(names, sizes)


def _is_columnar(objects: Wanted) -> TypeGuard[Columnar]:
    # Not isinstance of the protocol: before Python 3.12 that evaluates the properties, a million names each.
    return hasattr(type(objects), "column") and hasattr(objects, "fields")


def _checked(position: int, pair: object) -> tuple[str, int]:
    if not isinstance(pair, Sequence) or isinstance(pair, (str, bytes)) or len(pair) != 2:  # noqa: PLR2004 - a pair
        raise InvalidArgument(f"objects[{position}]", _shown(pair), "a (name, size) pair")
    name, size = pair
    check_name(f"objects[{position}]", name)
    if type(size) is not int:
        try:
            size = index(size) if not isinstance(size, bool) else UNKNOWN_SIZE  # NumPy's integers are welcome
        except TypeError:
            size = UNKNOWN_SIZE
    if size < 0:
        raise InvalidArgument(f"objects[{position}]", _shown(pair), "a size of 0 or more bytes, as an int")
    return name, size


def check_name(argument: str, name: object) -> None:
    """Refuse what no object can be called."""
    if not isinstance(name, str) or not name:
        raise InvalidArgument(argument, _shown(name), "an object name that is a str of at least one character")
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgument(argument, _shown(name), "an object name that UTF-8 can hold") from error


def check_bucket(bucket_name: object, argument: str = "bucket_name") -> None:
    """Refuse what no bucket can be called."""
    if not isinstance(bucket_name, str) or not bucket_name or "/" in bucket_name:
        raise InvalidArgument(argument, repr(bucket_name), "the name of a bucket, without gs:// or a path")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
