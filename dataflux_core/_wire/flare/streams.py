"""Tell which streams a playlist has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from dataflux_core._plan.text import counted
from dataflux_core._wire.flare.chunk_urls import check_chunks
from dataflux_core._wire.flare.headers import HeaderReader
from dataflux_core._wire.flare.marks import quoted
from dataflux_core._wire.flare.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.conventions import Conventions

_PARTS = ("headers", "content")
_SHAPE = "write NAME: {headers: {}, content: [URL, ...]}"
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream of a playlist as it is written: its name, its headers, the URLs of its chunks.

    The values are those of the playlist and are not changed; `conventions` is what the headers mean.
    """

    name: str
    headers: Mapping[str, Value]
    content: Sequence[str]
    conventions: Conventions = field(compare=False)

    @classmethod
    def of(cls, name: str, content: Sequence[str], headers: Mapping[str, Value] | None = None) -> StreamSpec:
        """Make a stream; what is wrong with it, its playlist's `validate` says."""
        known = dict(headers or {})
        reader = HeaderReader(known, content, (), Problems())
        return cls(name, known, list(content), reader.read(len(content)))


def streams_of(value: Value, problems: Problems) -> list[StreamSpec]:
    """Return the streams of a playlist's value; those that are wrong are noted and left out."""
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a single value" if value is not None else "nothing"
        problems.error((), f"{kind}, where streams are expected", _SHAPE)
        return []
    if not value:
        problems.warn((), "there is no stream in it", _SHAPE)
    streams = [spec for name, body in value.items() if (spec := _stream(name, body, problems)) is not None]
    _check_keys(streams, problems)
    return streams


def _stream(name: str, body: Value, problems: Problems) -> StreamSpec | None:
    before = problems.errors
    _check_name(name, problems)
    if not isinstance(body, dict):
        problems.error((name,), f"the stream {quoted(name)} has no headers and content", _SHAPE)
        return None
    for part in body:
        if part not in _PARTS:
            message = f"{quoted(part)} is no part of a stream"
            problems.error((name, part), message, "move it into the headers; beside these there is content alone")
    headers = _headers(name, body, problems)
    content = body.get("content")
    if not isinstance(content, list):
        message = "content is no list" if "content" in body else f"the stream {quoted(name)} has no content"
        problems.error((name, "content"), message, "write a list of chunk URLs: content: [https://…, …]")
        return None
    if not content:
        problems.warn((name, "content"), f"the stream {quoted(name)} has no chunks", "name its chunks, or remove it")
    urls = check_chunks(content, (name, "content"), problems)
    conventions = HeaderReader(headers, urls, (name, "headers"), problems).read(len(content))
    if problems.errors > before:
        return None
    return StreamSpec(name, headers, cast("list[str]", content), conventions)


def _check_name(name: str, problems: Problems) -> None:
    place = problems.marks.keys.get(name) if problems.marks is not None else None
    if _UNSHOWABLE.search(name):
        message = f"the name {quoted(name)} has a control character in it"
        problems.error((name,), message, "name the stream by characters that can be seen", place)
    elif not name.strip():
        problems.warn((name,), f"the name {quoted(name)} cannot be seen", "give the stream a name", place)


def _headers(name: str, body: Mapping[str, Value], problems: Problems) -> dict[str, Value]:
    headers = body.get("headers")
    if headers is None:
        message = f"the stream {quoted(name)} has no headers"
        problems.warn((name, "headers"), message, "write headers: {}; other readers may look for them")
        return {}
    if not isinstance(headers, dict):
        problems.error((name, "headers"), "headers is no mapping", "write headers: {name: value, …}")
        return {}
    return headers


def _check_keys(streams: Sequence[StreamSpec], problems: Problems) -> None:
    """Compare the streams that say that they describe the same records."""
    first: dict[str, tuple[str, int]] = {}
    for stream in streams:
        said = stream.conventions
        if not said.key or said.records is None:
            continue
        total = sum(said.records)
        other, expected = first.setdefault(said.key, (stream.name, total))
        if total != expected:
            message = (
                f"the key {quoted(said.key)} ties {counted(total, 'record')} to the {expected:,} of {quoted(other)}"
            )
            problems.error((stream.name, "headers", "key"), message, "correct records, or give another key")
