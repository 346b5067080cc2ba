"""Read the headers of a stream, say which of them do not follow the conventions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from dataflux_core._plan.text import counted
from dataflux_core._wire.flare.chunk_urls import flaw_of, is_base
from dataflux_core._wire.flare.conventions import COMPRESSIONS, ENCODINGS, ITEM_BYTES, Conventions, base_of
from dataflux_core._wire.flare.marks import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.marks import ValuePath
    from dataflux_core._wire.flare.problems import Problems

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CRC32C = re.compile(r"[A-Za-z0-9+/]{5}[AQgw]==")  # four bytes: the last four bits of the last digit are none
_ALMOST = {
    "licence": "license",
    "size": "sizes",
    "mirror": "mirrors",
    "record": "records",
    "sha-256": "sha256",
    "sha256sum": "sha256",
    "checksum": "sha256 or crc32c",
    "contentSize": "sizes",
    "encodingFormat": "encoding",
    "Content-Encoding": "compression",
    "content-encoding": "compression",
}
_MOST_DIMENSIONS = 32
_MOST = 1 << 63  # what a signed number of 64 bits cannot hold


class HeaderReader:
    """Reads the headers of one stream into Conventions; what is wrong is noted, then as if it were not there."""

    def __init__(self, headers: Mapping[str, Value], urls: Sequence[str], path: ValuePath, problems: Problems) -> None:
        self._headers = headers
        self._urls = urls
        self._path = path
        self._problems = problems

    def read(self, chunks: int) -> Conventions:
        """Return what the headers of a stream of that many chunks say."""
        for name in self._headers.keys() & _ALMOST.keys():
            self._warn(name, f"{name} means nothing to this reader", f"if you meant {_ALMOST[name]}, write that")
        conventions = Conventions(
            description=self._text("description"),
            license=self._text("license"),
            encoding=cast("Any", self._one_of("encoding", ENCODINGS)),
            compression=cast("Any", self._one_of("compression", COMPRESSIONS)),
            dtype=self._one_of("dtype", tuple(ITEM_BYTES)) or "",
            shape=self._shape(),
            records=self._counts("records", chunks, "a number of records"),
            sizes=self._counts("sizes", chunks, "a number of bytes"),
            sha256=self._hashes("sha256", chunks, _SHA256, "64 hexadecimal digits, in lower case"),
            crc32c=self._hashes("crc32c", chunks, _CRC32C, "base64 of four bytes, such as AAAAAA=="),
            mirrors=self._mirrors(),
            key=self._text("key"),
        )
        self._check_raw(conventions)
        self._check_secrecy(conventions)
        return conventions

    def _text(self, name: str) -> str:
        value = self._headers.get(name)
        if name in self._headers and not (isinstance(value, str) and value):
            self._error(name, f"{name} is no text", "write a text, or remove it")
        return value if isinstance(value, str) else ""

    def _one_of(self, name: str, known: Sequence[str]) -> str | None:
        value = self._text(name)
        if value and value not in known:
            self._warn(name, f"{name} {quoted(value)} is not known to this reader", f"one of {', '.join(known)}")
        return value if value in known else None

    def _shape(self) -> tuple[int, ...] | None:
        value = self._headers.get("shape")
        if "shape" not in self._headers:
            return None
        if not isinstance(value, list) or len(value) > _MOST_DIMENSIONS or not all(map(_is_count, value)):
            self._error("shape", "shape is no list of dimensions", "write that of one record, such as [3, 224, 224]")
            return None
        return tuple(cast("list[int]", value))

    def _counts(self, name: str, chunks: int, what: str) -> Sequence[int] | None:
        return cast("list[int] | None", self._column(name, chunks, _is_count, what))

    def _hashes(self, name: str, chunks: int, pattern: re.Pattern[str], what: str) -> Sequence[str] | None:
        match = pattern.fullmatch

        def is_hash(value: Value) -> bool:
            return isinstance(value, str) and match(value) is not None

        return cast("list[str] | None", self._column(name, chunks, is_hash, what))

    def _column(self, name: str, chunks: int, is_right: Callable[[Value], bool], what: str) -> list[Value] | None:
        """Return a list with a value for each chunk, None where there is none or it is wrong."""
        if name not in self._headers:
            return None
        values = self._headers[name]
        if not isinstance(values, list):
            self._error(name, f"{name} is no list", f"write a list with {what} for each chunk")
            return None
        wrong = [index for index, value in enumerate(values) if not is_right(value)]
        for index in wrong:
            if self._problems.more("error"):
                continue
            value = values[index]
            said = quoted(value) if isinstance(value, str) else quoted(str(value)[:100])
            message = f"{name} has {said}, expected {what}"
            self._problems.error((*self._path, name, index), message, "correct it, or remove the whole header")
        if len(values) != chunks:
            message = f"{name} has {counted(len(values), 'value')}, the stream {counted(chunks, 'chunk')}"
            self._error(name, message, "write one for each chunk, in their order")
            return None
        return None if wrong else values

    def _mirrors(self) -> tuple[str, ...]:
        name = "mirrors"
        if name not in self._headers:
            return ()
        values = self._headers[name]
        if not isinstance(values, list):
            self._error(name, "mirrors is no list", "write a list of URLs that end in /")
            return ()
        right: list[str] = []
        for index, value in enumerate(values):
            if isinstance(value, str) and is_base(value):
                right.append(value)
            else:
                message, advice = self._flaw_of_mirror(value)
                self._problems.error((*self._path, name, index), message, advice)
        if right and self._urls and not self._check_mirrorable():
            return ()
        return tuple(right)

    def _flaw_of_mirror(self, value: Value) -> tuple[str, str]:
        if not isinstance(value, str):
            return "a mirror is no URL", "write a URL that ends in /"
        if is_base(value + "/"):
            return f"the mirror {quoted(value)} does not end in /", "add it: a path is put behind it"
        if "?" in value or "#" in value:
            return "a mirror with a query or a fragment", "write a URL that ends in /, to which a path can be added"
        return flaw_of(value)

    def _check_mirrorable(self) -> bool:
        if not base_of(self._urls):
            message = "there are mirrors, but the chunks do not lie below one directory"
            self._error("mirrors", message, "make a stream of the chunks of each server")
            return False
        if any("?" in url for url in self._urls):
            message = "there are mirrors, but chunk URLs have queries, which may be signatures for one server alone"
            self._error("mirrors", message, "remove the mirrors, or the queries")
            return False
        return True

    def _check_raw(self, said: Conventions) -> None:
        """Compare what three headers say of the same bytes."""
        size = said.record_bytes
        if size is not None and size * (max(said.records or (1,)) or 1) >= _MOST:
            self._error(
                "shape", "a chunk's records have more bytes than 64 bits can count", "correct dtype, shape or records"
            )
            return
        if said.encoding != "raw" or said.compression or size is None or said.sizes is None:
            return
        if "compression" in self._headers:  # of a kind that is not known here
            return
        for index, chunk_bytes in enumerate(said.sizes):
            records = said.records[index] if said.records is not None else chunk_bytes // max(size, 1)
            if records * size != chunk_bytes and not self._problems.more("error"):
                many = counted(records, "record") if said.records is not None else "a whole number of records"
                message = f"{chunk_bytes} bytes are not {many} of {size} bytes"
                advice = "correct sizes, records, dtype or shape"
                self._problems.error((*self._path, "sizes", index), message, advice)

    def _check_secrecy(self, said: Conventions) -> None:
        """Warn where anyone on the way could change what is read, though the chunks' own servers do not let them."""
        if said.sha256 or said.crc32c or not self._urls or not all(map(_is_secret, self._urls)):
            return
        index = next((index for index, mirror in enumerate(said.mirrors) if not _is_secret(mirror)), None)
        if index is not None:
            message = "a mirror without TLS of chunks with it, and no checksums: nobody could tell what it sends"
            self._problems.warn((*self._path, "mirrors", index), message, "write sha256, or an https:// URL")

    def _error(self, name: str, message: str, advice: str) -> None:
        self._problems.error((*self._path, name), message, advice)

    def _warn(self, name: str, message: str, advice: str) -> None:
        self._problems.warn((*self._path, name), message, advice)


def _is_count(value: Value) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_secret(url: str) -> bool:
    return url[:8].lower() == "https://"
