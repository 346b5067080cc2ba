"""Hold a request or its reply while it is worked on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import unquote

import msgspec

from dataflux_core.emulator._errors import ApiError, error_json

if TYPE_CHECKING:
    from dataflux_core.emulator._fields import Json

# Headers of an answer are lines ready to be sent: joining a dozen of pairs takes as long as deciding on the answer.
JSON_TYPE = b"content-type: application/json; charset=UTF-8\r\n"
XML_TYPE = b"content-type: application/xml; charset=UTF-8\r\n"
TEXT_TYPE = b"content-type: text/html; charset=UTF-8\r\n"
# Bytes that nothing changes any more, sent one behind the other without being joined.
Pieces: TypeAlias = "tuple[bytes | memoryview, ...]"


@dataclass(slots=True)
class Request:
    """One request as it arrived; `fault` is what the emulator was told to do to its answer.

    No method means that it could not be understood.
    """

    method: str
    raw_path: bytes
    query: dict[str, str]
    headers: dict[bytes, bytes]
    body: bytes = b""
    scheme: str = "http"
    fault: str = ""
    raw_query: bytes = b""
    is_last: bool = False  # of its connection
    is_old: bool = False  # HTTP/1.0

    def number(self, key: str) -> int | None:
        """Read a whole number from the query."""
        text = self.query.get(key)
        if text is None or text == "":
            return None
        try:
            return int(text)
        except ValueError as error:
            raise ApiError(400, f"Invalid value for {key}: {text}", "invalidParameter") from error

    def flag(self, key: str) -> bool:
        """Read a boolean from the query."""
        return self.query.get(key, "").lower() == "true"

    @property
    def origin(self) -> str:
        """Where the client found this server; links in the answer lead there."""
        return f"{self.scheme}://{self.headers.get(b'host', b'localhost').decode('latin-1')}"

    def json(self) -> dict[str, Json]:
        """Read the body as a JSON object; an empty body is an empty object."""
        if not self.body.strip():
            return {}
        return decode_object(self.body)


class FileSpan(NamedTuple):
    """Bytes of a file that are read only while they are sent."""

    path: bytes
    start: int
    stop: int


@dataclass(slots=True)
class Reply:
    """One answer.

    `objects` is how many a page lists, `folders` how many the service walked for it, `payload` how many bytes of
    content travel, `wait_s` a wait known already.
    """

    status: int
    headers: bytes = b""  # lines
    body: bytes | Pieces | FileSpan = b""
    objects: int = 0
    payload: int = 0
    wait_s: float = 0.0
    folders: int = 0

    @property
    def length(self) -> int:
        """The bytes of the body, wherever they are."""
        body = self.body
        if isinstance(body, FileSpan):
            return body.stop - body.start
        if isinstance(body, bytes):
            return len(body)
        return sum([len(piece) for piece in body])


def request_to(method: str, url: str, headers: dict[bytes, bytes] | None = None, body: bytes = b"") -> Request:
    """Make a request from a path with its query."""
    path, _, query = url.partition("?")
    return Request(method, path.encode(), parse_query(query.encode()), headers or {}, body)


def decode_object(body: bytes) -> dict[str, Json]:
    """Parse a JSON object or refuse it as the service does."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "Parse Error", "parseError") from error
    if not isinstance(value, dict):
        raise ApiError(400, "Parse Error", "parseError")
    return value


def json_reply(value: Json, status: int = 200) -> Reply:
    """Answer with a JSON document."""
    return Reply(status, JSON_TYPE, msgspec.json.encode(value))


def error_reply(error: ApiError) -> Reply:
    """Answer with an error in the shape of the JSON API."""
    headers = JSON_TYPE
    if error.status == 401:  # noqa: PLR2004 - the status code is its own name
        headers += b'www-authenticate: Bearer realm="https://accounts.google.com/"\r\n'
    return Reply(error.status, headers, error_json(error))


def parse_query(query: bytes) -> dict[str, str]:
    """Split a query string; the values of a repeated key are joined by commas.

    urllib.parse.parse_qsl takes 15 µs for the query of one read, this takes 2.
    """
    values: dict[str, str] = {}
    if not query:
        return values
    for pair in query.decode("ascii", "replace").split("&"):
        key, _, value = pair.partition("=")
        if "+" in value:
            value = value.replace("+", " ")
        if "%" in value:
            value = decode_text(value)
        values[key] = f"{values[key]},{value}" if key in values else value
    return values


@lru_cache(maxsize=4096)
def decode_text(text: str) -> str:
    """Undo percent encoding; bytes that are not UTF-8 are refused."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise ApiError(400, "The request has bytes that are not UTF-8.", "invalid") from error
