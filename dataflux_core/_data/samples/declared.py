"""Find out whether a media file is as long as it says."""

from __future__ import annotations

_BOX_HEADER, _LARGE_BOX_HEADER = 8, 16
_RIFF_HEADER = 8
_TO_THE_END, _LARGE = 0, 1  # sizes of a box that mean something else
_STREAMED = {0, 0xFFFFFFFF}  # sizes in RIFF of what was written to a pipe
_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"
_OGG_HEADER = 27
_ID3_HEADER, _ID3_FOOTER_FLAG = 10, 0x10
_FRAMES_FLAG, _BYTES_FLAG = 1, 2  # of what the first frame of an MP3 file says
_FIRST_FRAME = 64  # bytes within which it says it
_ID3V1_TAG = 128  # at the very end: some writers count it, some readers cut it off


def missing_bytes(content: bytes) -> int:
    """Return how many bytes a file lacks of what it declares: 0 where it is whole or does not say.

    FFmpeg takes the end of such a file for the end of its film, without a word.
    """
    if content[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        return _missing_of_boxes(content)
    if content.startswith((b"RIFF", b"FORM")):  # WAV and AVI, AIFF
        declared = int.from_bytes(content[4:8], "little" if content.startswith(b"RIFF") else "big")
        return 0 if declared in _STREAMED else max(0, _RIFF_HEADER + declared - len(content))
    if content.startswith(_EBML):
        return _missing_of_segment(content)
    if content.startswith(b"OggS"):
        return _missing_of_pages(content)
    return _missing_of_mp3(content)


def _missing_of_boxes(content: bytes) -> int:
    """Walk the outer boxes of ISO base media: MP4, MOV, M4A."""
    at = 0
    while at + _BOX_HEADER <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if size == _LARGE:
            size = int.from_bytes(content[at + 8 : at + _LARGE_BOX_HEADER], "big")
        if size == _TO_THE_END or size < _BOX_HEADER:  # the latter is damage, which FFmpeg finds
            return 0
        at += size
    return max(0, at - len(content))


def _missing_of_segment(content: bytes) -> int:
    """Read the sizes of the header and of the one segment of Matroska, WebM."""
    size, at = _number(content, len(_EBML))
    if size is None:
        return 0
    at += size
    if content[at : at + len(_SEGMENT)] != _SEGMENT:
        return 0
    size, at = _number(content, at + len(_SEGMENT))
    return 0 if size is None else max(0, at + size - len(content))


def _number(content: bytes, at: int) -> tuple[int | None, int]:
    """Return a number of variable length, None where it is unknown, with where it ends."""
    first = content[at] if at < len(content) else 0
    if first == 0:
        return None, at
    length = 9 - first.bit_length()
    bits = 7 * length
    value = int.from_bytes(content[at : at + length], "big") & ((1 << bits) - 1)
    return (None if value == (1 << bits) - 1 else value), at + length


def _missing_of_pages(content: bytes) -> int:
    """Walk the pages of Ogg; a file that ends between two pages cannot be told from a whole one."""
    at = 0
    while at < len(content):
        if content[at : at + 4] != b"OggS":
            return 0
        segments = content[at + _OGG_HEADER : at + _OGG_HEADER + content[at + 26]] if at + 26 < len(content) else b""
        if not segments:
            return max(0, at + _OGG_HEADER - len(content))
        at += _OGG_HEADER + content[at + 26] + sum(segments)
    return at - len(content)


def _missing_of_mp3(content: bytes) -> int:
    """Read the size that most encoders write into a first frame without sound."""
    at = 0
    if content.startswith(b"ID3"):
        footer = _ID3_HEADER if content[5:6] and content[5] & _ID3_FOOTER_FLAG else 0
        at = _ID3_HEADER + footer + sum(byte << 7 * place for place, byte in enumerate(reversed(content[6:10])))
    if content[at : at + 1] != b"\xff":
        return max(0, at - len(content))
    head = content[at : at + _FIRST_FRAME]
    tag = max(head.find(b"Xing"), head.find(b"Info"))
    flags = int.from_bytes(head[tag + 4 : tag + 8], "big") if tag > 0 else 0
    if not flags & _BYTES_FLAG:
        return 0
    said_at = tag + 8 + (4 if flags & _FRAMES_FLAG else 0)
    lacking = at + int.from_bytes(head[said_at : said_at + 4], "big") - len(content)
    return lacking if lacking > _ID3V1_TAG else 0
