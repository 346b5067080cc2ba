"""Tell what kind of file a URL or its first bytes promise."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dataflux_core._plan.text import counted

Kind: TypeAlias = Literal["image", "video", "audio", "text", "json", "npy", "bytes"]

_EXTENSIONS: dict[Kind, str] = {
    "image": "jpg jpeg jfif png webp gif bmp tif tiff avif jp2",
    "video": "mp4 mkv webm mov avi",
    "audio": "wav flac mp3 ogg m4a aiff aif",
    "text": "txt",
    "json": "json",
    "npy": "npy npz",
}
_KINDS: dict[str, Kind] = {extension: kind for kind, listed in _EXTENSIONS.items() for extension in listed.split()}
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "image"),  # JPEG
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"\x1aE\xdf\xa3", "video"),  # Matroska, WebM
    (b"fLaC", "audio"),
    (b"OggS", "audio"),
    (b"ID3", "audio"),
    (b"\xff\xfb", "audio"),  # MP3 without a tag
    (b"\xff\xf3", "audio"),
    (b"\xff\xf2", "audio"),
)
_RIFF: dict[bytes, Kind] = {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}
_BRANDS: dict[bytes, Kind] = {b"M4A ": "audio", b"M4B ": "audio", b"avif": "image", b"heic": "bytes", b"heix": "bytes"}
_BMP_HEADER_BYTES = 26
_SHOWN_BYTES = 8


def extension_of(url: str) -> str:
    """Return what follows the last dot of a URL's last part, in small letters; "" where there is none."""
    if url[:8].lower().startswith(("http://", "https://")):  # elsewhere a name may hold these marks
        url = url.partition("#")[0].partition("?")[0]
    name = url[url.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot + 1 :].lower() if dot > 0 else ""


def kind_of_extension(extension: str) -> Kind | None:
    """Return None for no extension: only the bytes can tell then; bytes for one that is not known."""
    return _KINDS.get(extension, "bytes") if extension else None


def kind_of_content(content: bytes) -> Kind:
    """Tell images, audio and video by their first bytes; all else is bytes."""
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    if content.startswith(b"RIFF"):
        return _RIFF.get(content[8:12], "bytes")
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video")
    # Two letters alone would take many a text for a picture.
    named = int.from_bytes(content[2:6], "little")
    if content.startswith(b"BM") and len(content) >= _BMP_HEADER_BYTES and named == len(content):
        return "image"
    return "bytes"


def beginning(content: bytes) -> str:
    """Say what there is in the place of what was expected."""
    if not content:
        return "no bytes at all"
    return f"{counted(len(content), 'byte')} that begin with {content[:_SHOWN_BYTES]!r}"
