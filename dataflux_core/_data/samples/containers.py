"""Open a media file that came from anywhere."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import av

from dataflux_core._data.samples.declared import missing_bytes
from dataflux_core._data.samples.kinds import beginning
from dataflux_core._plan.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer

S = TypeVar("S")

# A playlist, a list of files to join, a file of subtitles: FFmpeg would go and read what such a file names, from this
# machine or from the network. So only formats that hold their own sound and pictures are opened, and nothing else is.
_OPTIONS = {
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,wav,w64,flac,mp3,aac,aiff,au,caf",
    "protocol_whitelist": "",
}
# In WAV, FFmpeg looks through up to 2500 packets for surround sound that some discs hide there: 20 ms a file.
_WAV_OPTIONS = {**_OPTIONS, "max_probe_packets": "1"}
# Titles that are not UTF-8 are no reason to refuse a film; from 19 on PyAV itself does not, and takes no such keyword.
_TITLES: dict[str, Any] = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}  # noqa: PLR2004


@contextmanager
def opened(content: bytes, what: str) -> Iterator[InputContainer]:
    """Open `content`; raises ValueError where it is no `what`, is shorter than it says itself, or damaged."""
    lacking = missing_bytes(content)
    if lacking:
        raise ValueError(f"cut short: {counted(len(content), 'byte')} are there, {lacking:,} more should follow")
    is_wav = content.startswith(b"RIFF") and content[8:12] == b"WAVE"
    options = dict(_WAV_OPTIONS if is_wav else _OPTIONS)
    try:
        container = av.open(io.BytesIO(content), "r", options=options, **_TITLES)
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"no {what}: {beginning(content)}") from error
    with container:
        try:
            yield container
        except av.FFmpegError as error:  # some of them are OSErrors by class, "Operation not permitted" among them
            raise ValueError(f"a damaged {what}: {error.strerror}") from error


def decodable(streams: Sequence[S], what: str, of: str) -> S:
    """Return the first stream; raises ValueError where there is none, or none that FFmpeg has a decoder for."""
    if not streams:
        raise ValueError(f"no {what}: there is no stream of {of} in it")
    if getattr(streams[0], "codec_context", None) is None:  # its type says that this cannot be
        raise ValueError(f"no {what}: FFmpeg has no decoder for its {of}")
    return streams[0]
