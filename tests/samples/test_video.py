"""Films become frames."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.decoders import Video
from dataflux_core.errors import InvalidArgument
from tests.samples.media import (
    FILMS,
    FRAME_RATE,
    FRAMES,
    STEP,
    PIL_Image,
    encoded,
    film,
    frame_numbers,
    np,
    smooth,
    wav,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module", params=FILMS, ids=" in ".join)
def any_film(request: pytest.FixtureRequest) -> bytes:
    return film(*request.param)


@pytest.fixture(scope="module")
def short_film() -> bytes:
    return film("libx264")


def test_all_frames_come_in_order(any_film: bytes) -> None:
    frames = Video()(encoded(any_film))
    assert (frames.shape, frames.dtype) == ((FRAMES, 48, 64, 3), np.uint8)
    assert frame_numbers(frames) == pytest.approx(range(FRAMES), abs=1)


@pytest.mark.parametrize(
    ("clip_s", "first", "count"),
    [
        pytest.param((0.0, 0.3), 0, 3, id="the stop is left out"),
        pytest.param((1.0, 2.0), 10, 10, id="the start is kept"),
        pytest.param((0.55, 0.85), 6, 3, id="between two frames"),
        pytest.param((2.5, None), 25, 5, id="to the end"),
        pytest.param((2.5, 99.0), 25, 5, id="beyond the end"),
    ],
)
def test_a_clip_holds_the_frames_within_its_times(any_film: bytes, clip_s: Any, first: int, count: int) -> None:
    frames = Video(clip_s=clip_s)(encoded(any_film))
    assert len(frames) == count
    assert frame_numbers(frames) == pytest.approx(range(first, first + count), abs=1)


@given(start=st.integers(0, 28), length=st.integers(1, 10), every=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_a_clip_is_a_slice_of_the_film(short_film: bytes, start: int, length: int, every: int) -> None:
    clip_s = (start / FRAME_RATE, (start + length) / FRAME_RATE)
    whole = Video()(encoded(short_film))
    assert np.array_equal(Video(clip_s=clip_s, every=every)(encoded(short_film)), whole[start : start + length : every])


def test_frames_are_resized_one_by_one(short_film: bytes) -> None:
    frames = Video(size=(20, 30), every=10)(encoded(short_film))
    assert frames.shape == (3, 20, 30, 3)
    assert frame_numbers(frames) == [0, 10, 20]


@pytest.mark.parametrize("size", [(20, 30), (24, 32), (96, 128), (60, 80)], ids=str)
def test_resizing_makes_nothing_darker(short_film: bytes, size: tuple[int, int]) -> None:
    filmed = [number * STEP for number in range(FRAMES)]
    assert Video(size=size)(encoded(short_film)).mean(axis=(1, 2, 3)) == pytest.approx(filmed, abs=1)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [None, (40, 70)], ids=str)
def test_frames_are_turned_as_the_camera_says(quarters: int, size: tuple[int, int] | None) -> None:
    content = turned(film("libx264", still=smooth(48, 64)), quarters)
    upright = Video(size=size, every=10)(encoded(content))
    by_hand = np.rot90(smooth(48, 64), -quarters)
    assert upright.shape == (3, *(size or by_hand.shape[:2]), 3)
    expected = np.asarray(PIL_Image.fromarray(by_hand).resize(upright.shape[2:0:-1]))
    assert np.abs(upright.astype(int) - expected).mean() < 5
    assert Video(orientation="stored")(encoded(content)).shape == (FRAMES, 48, 64, 3)


def turned(content: bytes, quarters: int) -> bytes:
    """Write into the track's header that it is to be shown turned with the clock, as telephones do."""
    one = 1 << 16
    across, down = [(one, 0), (0, one), (-one, 0), (0, -one)][quarters]
    plain, wanted = (
        struct.pack(">9i", across, down, 0, -down, across, 0, 0, 0, 1 << 30)
        for across, down in ((one, 0), (across, down))
    )
    at = content.rindex(plain)
    return content[:at] + wanted + content[at + len(plain) :]


def test_more_threads_decode_the_same(short_film: bytes) -> None:
    assert np.array_equal(Video(threads=3)(encoded(short_film)), Video()(encoded(short_film)))


def test_torch_gets_channels_before_height(short_film: bytes) -> None:
    pytest.importorskip("torch")
    tensor = Video(to="torch", every=10)(encoded(short_film))
    assert tuple(tensor.shape) == (3, 3, 48, 64)


@pytest.mark.parametrize(("codec", "container"), FILMS[:-1], ids=str)
def test_a_film_cut_short_is_an_error_wherever_it_is_cut(codec: str, container: str) -> None:
    content = film(codec, container)
    for kept in [*range(0, len(content), 97), len(content) - 1]:
        with pytest.raises(ValueError, match="cut short|no film|no frame|a damaged"):
            Video()(encoded(content[:kept]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "no film: no bytes at all", id="nothing"),
        pytest.param(b"\xff\xd8\xff\xe0 a picture?", "no film: 15 bytes that begin with", id="another kind"),
        pytest.param(b"#!/bin/sh\n", "no film", id="text"),
    ],
)
def test_what_is_no_film_says_so(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Video()(encoded(content))


def test_a_recording_is_no_film() -> None:
    with pytest.raises(ValueError, match="no stream of pictures"):
        Video()(encoded(wav(np.zeros((1, 800), np.int16), 8000)))


def test_a_codec_that_nobody_knows_is_told() -> None:
    content = film("libx264", "matroska").replace(b"V_MPEG4/ISO/AVC", b"V_UNHEARD/OF/AT")
    with pytest.raises(ValueError, match="no film: FFmpeg has no decoder for its pictures"):
        Video()(encoded(content))


def test_damage_that_ffmpeg_finds_is_called_so() -> None:
    content = bytearray(film("libvpx", "webm"))
    at = content.index(b"\x9d\x01\x2a")  # begins a key frame
    content[at : at + 3] = b"\0\0\0"
    with pytest.raises(ValueError, match="a damaged film: "):
        Video()(encoded(bytes(content)))


def test_a_clip_beyond_the_end_says_how_long_the_film_is(short_film: bytes) -> None:
    with pytest.raises(ValueError, match=r"no frame at clip_s=\(5.0, 6.0\); the film has 3.000 s"):
        Video(clip_s=(5.0, 6.0))(encoded(short_film))


def test_frames_beyond_the_limit_are_refused_with_a_remedy(short_film: bytes) -> None:
    with pytest.raises(ValueError, match="11 frames of 48 x 64 .* choose a clip, a size"):
        Video(max_bytes=10 * 48 * 64 * 3)(encoded(short_film))


@pytest.mark.parametrize("scheme", ["", "file://", "concat:", "subfile,,start,0,end,0,,:"])
def test_a_playlist_makes_nobody_read_other_files(tmp_path: Path, short_film: bytes, scheme: str) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(short_film)
    playlists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{scheme}{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{scheme}{secret}'\n",
    ]
    for playlist in playlists:
        with pytest.raises(ValueError, match="no film"):
            Video()(encoded(playlist.encode()))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_gives_frames_or_an_error(short_film: bytes, data: st.DataObject) -> None:
    content = bytearray(short_film)
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        frames = Video(size=(8, 8), max_bytes=2**20)(encoded(bytes(content)))
    except Exception:  # noqa: BLE001 - any is fine, a crash is not
        return
    assert frames.shape[1:] == (8, 8, 3)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"clip_s": (2.0, 1.0)}, id="a stop before its start"),
        pytest.param({"clip_s": (-1.0, 1.0)}, id="a start before the film"),
        pytest.param({"clip_s": (float("nan"), 1.0)}, id="a start that is no number"),
        pytest.param({"clip_s": 3.0}, id="one number"),
        pytest.param({"every": 0}, id="every nothing"),
        pytest.param({"to": "pil"}, id="a form that is not offered"),
    ],
)
def test_options_that_mean_nothing_are_refused_at_once(options: Any) -> None:
    with pytest.raises(InvalidArgument):
        Video(**options)
