"""Find what the bytes of no playlist may hold, before a YAML parser sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dataflux_core._wire.flare.marks import place_at, quoted
from dataflux_core._wire.flare.problems import Stop

if TYPE_CHECKING:
    from dataflux_core._wire.flare.problems import Problems

_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BLOCK_BYTES = 1024**2  # decoded at once: a copy of all of it would double what a large playlist takes
# C0 and C1 controls, DEL, two non-characters: YAML allows none of them. Next line, line separator, paragraph separator
# and a second BOM it allows; but YAML 1.1 ends a line there and 1.2 does not, so two readers would see two playlists.
_FORBIDDEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]|\xef\xbf[\xbe\xbf]|\xef\xbb\xbf"
)
_LINE_SEPARATORS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
# A parser takes time that grows with the square of the number of directives, and one of them says all there is to say.
# A lone CR ends a line too, which re.MULTILINE does not know.
_DIRECTIVE = re.compile(rb"(?<![^\r\n])%[^\r\n]*")
_ONLY_DIRECTIVE = re.compile(rb"%YAML[ \t]+1\.[12][ \t]*(?:#.*)?")
_SHOWN_BYTES = 40


def check_bytes(content: bytes, max_bytes: int, problems: Problems) -> bytes:
    """Return the bytes without a BOM; note what is wrong with them, raise Stop where they cannot be parsed."""
    if len(content) > max_bytes:
        message = f"it has {len(content):,} bytes, at most {max_bytes:,} are read"
        problems.error((), message, "cut it into several playlists, or give a larger max_bytes", 0)
        raise Stop
    for start, encoding in _OTHER_ENCODINGS.items():
        if content.startswith(start):
            problems.error((), f"it is {encoding}, a playlist is UTF-8", "write it anew in UTF-8", 0)
            raise Stop
    if content.startswith(_BOM):
        problems.warn((), "it begins with a byte order mark", "save it as UTF-8 without one", 0)
        content = content[len(_BOM) :]
    _check_utf8(content, problems)
    _check_characters(content, problems)
    _check_directives(content, problems)
    return content


def _check_utf8(content: bytes, problems: Problems) -> None:
    start = 0
    while start < len(content):
        stop = _end_of_character(content, start + _BLOCK_BYTES)
        try:
            content[start:stop].decode()
        except UnicodeDecodeError as error:
            position = start + error.start
            message = f"byte 0x{content[position]:02x} is not UTF-8"
            problems.error((), message, "write the file anew in UTF-8", _place(content, position))
            raise Stop from error
        start = stop


def _end_of_character(content: bytes, position: int) -> int:
    """Return the end of the character that `position` may lie within; four bytes are the longest."""
    longest = 4
    for end in range(position, position + longest):
        if end >= len(content) or content[end] & 0xC0 != 0x80:  # noqa: PLR2004 - UTF-8's mark of a byte that goes on
            return min(end, len(content))
    return position


def _check_characters(content: bytes, problems: Problems) -> None:
    found = _FORBIDDEN.search(content)
    if found is None:
        return
    character = found.group().decode()
    place = _place(content, found.start())
    escape = f"\\u{ord(character):04x}"
    if found.group() in _LINE_SEPARATORS:
        message = f"U+{ord(character):04X} ends a line in YAML 1.1 and none in YAML 1.2"
    else:
        message = "a NUL" if character == "\0" else f"the control character U+{ord(character):04X}"
        message += "; YAML allows none" if character != "\ufeff" else " in the middle"
    problems.error((), message, f'remove it, or write it as {escape} between double quotes ("…")', place)
    raise Stop


def _check_directives(content: bytes, problems: Problems) -> None:
    for number, found in enumerate(_DIRECTIVE.finditer(content)):
        if number or not _ONLY_DIRECTIVE.fullmatch(found.group()):
            said = found.group()[:_SHOWN_BYTES].decode(errors="ignore")
            message = f"the directive {quoted(said)}; only one %YAML 1.1 or 1.2 is read"
            problems.error((), message, "remove the line", _place(content, found.start()))
            raise Stop


def _place(content: bytes, position: int) -> int:
    """Return line and column of a byte's character."""
    line_start = max(content.rfind(b"\n", 0, position), content.rfind(b"\r", 0, position)) + 1
    before = content[:line_start]
    line = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    return place_at(line, len(content[line_start:position].decode(errors="replace")))
