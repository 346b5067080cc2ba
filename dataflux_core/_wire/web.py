"""Decide what an answer of a web server means for what was asked of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import google_crc32c

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._wire.message import Request
from dataflux_core._wire.objects import crc32c_header, crc32c_number, crc32c_text
from dataflux_core._wire.urls import origin_of, redirected, shown_url
from dataflux_core.errors import (
    AccessDenied,
    ChecksumMismatch,
    ConnectionBroken,
    DatafluxError,
    EndpointUnreachable,
    InvalidArgument,
    ObjectChanged,
    ServiceRefused,
    VersionChanged,
)

if TYPE_CHECKING:
    from dataflux_core._wire.message import Answer

MAX_REDIRECTS = 5
_UNREACHED = "check the URL, the network and the proxy variables"
DEFAULT_MAX_BYTES = 4 * 1024**3
# An error's text has room in it, and most requests have the same limit.
LEAST_LIMIT_BYTES = 512 * 1024 - 1
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WHOLE = frozenset({200, 203})  # 203: a proxy has changed a header
_OK, _PARTIAL, _BAD_REQUEST, _UNSATISFIABLE = 200, 206, 400, 416
_DENIED = frozenset({401, 403})
# A compressed body has another number of bytes than what it stands for: neither size nor checksum could be verified.
_IDENTITY = ("Accept-Encoding: identity",)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_UNSATISFIED_RANGE = re.compile(r"bytes \*/(\d{1,18})")
_FIRST_BEYOND_ASCII = 0x80
_S3_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")
_CODE_WITHIN = 2000  # bytes in which an error's code is looked for


class Span(NamedTuple):
    """Bytes [start, stop) of something."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read of one URL."""

    source: str  # the URL as the caller gave it
    url: str  # as it is sent
    size: int = UNKNOWN_SIZE
    crc32c: str = ""  # of all its bytes; "": not known
    span: Span | None = None  # None: all of it
    version: str = ""  # of which a range must be; "": of any
    max_bytes: int = DEFAULT_MAX_BYTES  # of all of it, where the size is not known or where all comes for a range

    @property
    def most_bytes(self) -> int:
        """How many are received where the size is not known: few are compared with the limit when they are here."""
        return max(self.max_bytes, LEAST_LIMIT_BYTES)

    @property
    def subject(self) -> str:
        """What messages call it: nothing secret."""
        return shown_url(self.source)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes, as wanted."""

    content: bytes
    total: int = UNKNOWN_SIZE  # bytes of the whole, where that was said
    version: str = ""  # of a range: a strong entity tag, "" where there is none


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where it is to be asked for instead."""

    url: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there are no bytes; what may help: nothing, what a retry rule says, another read of damaged bytes."""

    error: DatafluxError
    cure: Literal["none", "rule", "again"] = "none"


Verdict: TypeAlias = Content | Redirect | Failure


def get_request(wanted: Wanted, url: str, limit_bytes: int = 0, announced_bytes: int = 0) -> Request:
    """Ask for what is wanted at `url`, to which redirects may have led; for no more than a limit, where it has one."""
    span = wanted.span
    if span is None and limit_bytes:
        return Request("GET", url, headers=_IDENTITY, max_bytes=limit_bytes, expected_bytes=announced_bytes)
    if span is None:
        limit = wanted.most_bytes if wanted.size < 0 else max(wanted.size, LEAST_LIMIT_BYTES)
        return Request("GET", url, headers=_IDENTITY, max_bytes=limit)
    condition = (f"If-Range: {wanted.version}",) if wanted.version else ()
    headers = (*_IDENTITY, f"Range: bytes={span.start}-{span.stop - 1}", *condition)
    return Request("GET", url, headers=headers, max_bytes=max(_most_for(wanted, span), LEAST_LIMIT_BYTES))


def _most_for(wanted: Wanted, span: Span) -> int:
    """Return how many bytes may come for a range: all of it, from a server that does not know of ranges."""
    return max(span.stop - span.start, wanted.max_bytes)


def verdict(wanted: Wanted, url: str, redirects: int, answer: Answer) -> Verdict:
    """Decide what comes of an answer from `url`, which is the last of so many redirects."""
    if not answer.failure and answer.status in _REDIRECTS:
        return _redirect(wanted, url, redirects, answer)
    is_behind = wanted.span is not None and _is_behind_end(wanted.span, answer)
    failure = None if is_behind else _failure(wanted, url, answer)
    if failure is not None:
        return failure
    return _whole(wanted, answer) if wanted.span is None else _part(wanted, wanted.span, answer)


def _failure(wanted: Wanted, url: str, answer: Answer) -> Failure | None:
    """Say why no body has come that could be looked at."""
    if answer.refused:
        return Failure(EndpointUnreachable(origin_of(url), answer.failure, _UNREACHED), "rule")
    if answer.failure:
        return Failure(ConnectionBroken(wanted.subject, answer.failure), "rule")
    if not answer.ok:
        kind = AccessDenied if answer.status in _DENIED else ServiceRefused
        return Failure(kind(wanted.subject, answer.status, _reason(answer)), "rule")
    if answer.announced_bytes:
        return Failure(_too_much(wanted, answer))
    # The index may know better: the size says which bytes are meant, where a part tells of how many it is one.
    is_compared = wanted.size >= 0 and not answer.header(b"content-range").endswith("/*")
    encoding = answer.header(b"content-encoding").lower()
    if encoding not in {"", "identity"} and not is_compared:
        message = f"sent as {encoding}, which was not asked for; give its stored size, or serve it as it is"
        return Failure(ServiceRefused(wanted.subject, answer.status, message))
    return None


def version_of(answer: Answer) -> str:
    """Return the strong entity tag, "" where there is none: bytes of a weak one may differ.

    One that is not plain ASCII is none either: it cannot be sent back as it came.
    """
    tag = answer.header(b"etag")
    is_strong = len(tag) > 2 and tag[0] == tag[-1] == '"'  # noqa: PLR2004 - quotes around something
    return tag if is_strong and tag.isascii() and tag.isprintable() else ""


class Said(NamedTuple):
    """Of which part of how many bytes an answer says that it is."""

    first: int
    last: int
    total: int  # UNKNOWN_SIZE: not said


def part_said(answer: Answer) -> Said | None:
    """Return what Content-Range says, None where that is nothing that could be meant."""
    found = _CONTENT_RANGE.fullmatch(answer.header(b"content-range"))
    if found is None:
        return None
    return Said(int(found[1]), int(found[2]), UNKNOWN_SIZE if found[3] == "*" else int(found[3]))


def is_closing(answer: Answer) -> bool:
    """Tell whether the next request needs another connection."""
    said = answer.header(b"connection").lower()
    is_old = bool(answer.head) and answer.head[0].startswith(b"HTTP/1.0")
    return said == "close" or (is_old and said != "keep-alive")


def _redirect(wanted: Wanted, url: str, redirects: int, answer: Answer) -> Redirect | Failure:
    location = _meant(answer.header(b"location"))
    if not location:
        message = _region(answer) or "a redirect that leads nowhere"
        return Failure(ServiceRefused(wanted.subject, answer.status, message))
    if redirects >= MAX_REDIRECTS:
        message = f"redirected more than {MAX_REDIRECTS} times; give the URL to which it leads"
        return Failure(ServiceRefused(wanted.subject, answer.status, message))
    try:
        return Redirect(redirected(url, location))
    except InvalidArgument as error:
        message = f"redirected to {error.value}, expected {error.expected}"
        return Failure(ServiceRefused(wanted.subject, answer.status, message))


def _meant(location: str) -> str:
    """Return a location whose bytes were read as latin-1: servers write UTF-8, or what only percent signs can say."""
    sent = location.encode("latin-1")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < _FIRST_BEYOND_ASCII else f"%{byte:02X}" for byte in sent)


def _whole(wanted: Wanted, answer: Answer) -> Content | Failure:
    if answer.status not in _WHOLE:
        message = "an answer that is not the whole of it, though no part was asked for"
        return Failure(ServiceRefused(wanted.subject, answer.status, message))
    body = answer.body
    if wanted.size >= 0 and len(body) != wanted.size:
        return Failure(ObjectChanged(wanted.subject, wanted.size, len(body)))
    if wanted.size < 0 and len(body) > wanted.max_bytes:
        return Failure(_too_much(wanted, answer, len(body)))
    damage = _damage(wanted, answer, body)
    return damage or Content(body, len(body))


def _damage(wanted: Wanted, answer: Answer, body: bytes) -> Failure | None:
    """Compare checksums: with the server's own, which shows what happened on the way, then with the index's."""
    sent = "" if _is_unpacked(answer) else crc32c_header(answer)
    if not sent and not wanted.crc32c:
        return None
    found = google_crc32c.value(body)
    if sent and crc32c_text(found) != sent:
        return Failure(ChecksumMismatch(wanted.subject, sent, crc32c_text(found)), "again")
    if wanted.crc32c and found != (listed := crc32c_number(wanted.crc32c)):
        return Failure(ObjectChanged(wanted.subject, listed, found, "crc32c"), "none" if sent else "again")
    return None


def _is_unpacked(answer: Answer) -> bool:
    """Tell whether the server has decompressed what it stores: then its checksum is not of these bytes.

    Source: https://cloud.google.com/storage/docs/transcoding
    """
    is_packed = answer.header(b"x-goog-stored-content-encoding").lower() == "gzip"
    return is_packed and answer.header(b"content-encoding").lower() != "gzip"


def _part(wanted: Wanted, span: Span, answer: Answer) -> Content | Failure:
    version = version_of(answer)
    if wanted.version and version != wanted.version and (version or answer.status != _PARTIAL):
        return Failure(VersionChanged(wanted.subject, wanted.version, version))
    found: Content | Failure
    if answer.status == _UNSATISFIABLE:
        found = Content(b"", _end_said(answer), version)
    else:
        found = (_ranged if answer.status == _PARTIAL else _unranged)(wanted, span, answer)
    if isinstance(found, Content) and UNKNOWN_SIZE not in (wanted.size, found.total) and wanted.size != found.total:
        return Failure(ObjectChanged(wanted.subject, wanted.size, found.total))
    return found


def _unranged(wanted: Wanted, span: Span, answer: Answer) -> Content | Failure:
    """Take the range out of all the bytes, which a server sends that does not know of ranges."""
    if answer.status != _OK:
        message = f"no bytes, though [{span.start}, {span.stop}) were asked for"
        return Failure(ServiceRefused(wanted.subject, answer.status, message))
    body = answer.body
    if len(body) > _most_for(wanted, span):
        return Failure(_too_much(wanted, answer, len(body)))
    return Content(body[span.start : span.stop], len(body), version_of(answer))


def _ranged(wanted: Wanted, span: Span, answer: Answer) -> Content | Failure:
    """Make sure that the range is the one that was asked for; it may be shorter only where nothing follows.

    Who does not say of how many bytes it is one may as well have broken off: a short one is asked for again, elsewhere
    where it can be.
    """
    body, said = answer.body, part_said(answer)
    total = wanted.size if said is None or said.total < 0 else said.total
    stop = span.stop if total < 0 else min(span.stop, total)
    if said is not None and (said.first, said.last + 1, len(body)) == (span.start, stop, stop - span.start):
        return Content(body, said.total, version_of(answer))
    words = answer.header(b"content-range")[:80]
    message = f"sent {len(body)} bytes as {words!r}, though [{span.start}, {span.stop}) were asked for"
    if said is None or said.total >= 0 or said.first != span.start or said.last + 1 >= stop:
        return Failure(ServiceRefused(wanted.subject, answer.status, message))
    return Failure(ServiceRefused(wanted.subject, answer.status, f"{message}; it does not say of how many"), "again")


def _is_behind_end(span: Span, answer: Answer) -> bool:
    """Tell whether there is nothing of a range since all ends before it: that is no fault of the server's."""
    return not answer.failure and answer.status == _UNSATISFIABLE and 0 <= _end_said(answer) <= span.start


def _end_said(answer: Answer) -> int:
    """Return the size that comes with a refusal of a range, UNKNOWN_SIZE where there is none."""
    found = _UNSATISFIED_RANGE.fullmatch(answer.header(b"content-range"))
    return UNKNOWN_SIZE if found is None else int(found[1])


def _too_much(wanted: Wanted, answer: Answer, received: int = 0) -> DatafluxError:
    sent = received or answer.said_bytes
    if wanted.span is None and wanted.size >= 0 and sent >= 0:
        return ObjectChanged(wanted.subject, wanted.size, sent)
    limit = _most_for(wanted, wanted.span) if wanted.span is not None else max(wanted.size, 0) or wanted.max_bytes
    message = f"sends {sent if sent >= 0 else 'more'} bytes, at most {limit} are received"
    if wanted.span is not None:
        message += "; it does not know of ranges"
    return ServiceRefused(wanted.subject, answer.status, message)


def _reason(answer: Answer) -> str:
    """Say why in the server's own words, where these are words: a body may repeat the signature that it was sent."""
    code = _S3_CODE.search(answer.body[:_CODE_WITHIN])
    if code is not None:
        reason = code[1].decode()
    else:
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:
            reason = "no reason given"
    if answer.status == _UNSATISFIABLE:
        reason += f" ({answer.header(b'content-range') or 'no size given'})"
    return f"{reason}; {_region(answer)}" if answer.status == _BAD_REQUEST and _region(answer) else reason


def _region(answer: Answer) -> str:
    """Say where the bucket is, of which S3 says that it is not here."""
    region = answer.header(b"x-amz-bucket-region")
    return f"the bucket is in {region}: set AWS_REGION={region}" if region else ""
