"""Recordings become waveforms."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.decoders import Audio
from dataflux_core.errors import InvalidArgument
from tests.samples.media import encoded, film, np, sound, wav

RATE = 8000
SECONDS = 3


def chirp(channels: int = 2, rate: int = RATE) -> Any:
    """Return int16 of (channels, samples), no two neighbouring moments alike."""
    time_s = np.arange(SECONDS * rate) / rate
    voices = [np.sin(2 * np.pi * (300 + 100 * channel + 200 * time_s) * time_s) for channel in range(channels)]
    noise = np.random.default_rng(7).normal(0, 0.01, (channels, time_s.size))
    return ((np.stack(voices) + noise) * 25000).astype(np.int16)


@pytest.fixture(scope="module")
def flac() -> bytes:
    return sound("flac", "flac", chirp(), RATE)


@given(st.integers(1, 4), st.integers(1, 3000), st.sampled_from([8000, 16000, 44100]), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_wav_is_decoded_exactly(channels: int, count: int, rate: int, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(-(2**15), 2**15, (channels, count), dtype=np.int16)
    samples, read_rate = Audio()(encoded(wav(stored, rate)))
    assert (samples.dtype, read_rate) == (np.float32, rate)
    assert np.array_equal(samples, stored / np.float32(2**15))


def test_eight_bits_have_silence_in_the_middle() -> None:
    stored = np.array([[0, 64, 128, 192, 255]], np.uint8)
    assert Audio()(encoded(wav(stored, RATE))).samples.tolist() == [[-1.0, -0.5, 0.0, 0.5, 127 / 128]]


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_every_depth_of_wav_is_exact(codec: str) -> None:
    assert np.array_equal(Audio()(encoded(sound(codec, "wav", chirp(), RATE))).samples, chirp() / np.float32(2**15))


def test_flac_is_exact(flac: bytes) -> None:
    assert np.array_equal(Audio()(encoded(flac)).samples, chirp() / np.float32(2**15))


@pytest.mark.parametrize(
    ("codec", "container", "rate"),
    [("libmp3lame", "mp3", 16000), ("aac", "mp4", 16000), ("libopus", "ogg", 48000)],
    ids=["MP3", "M4A", "Opus"],
)
def test_what_loses_something_still_sounds_alike(codec: str, container: str, rate: int) -> None:
    stored = chirp(1, rate)
    samples, read_rate = Audio()(encoded(sound(codec, container, stored, rate)))
    assert read_rate == rate
    assert abs(samples.shape[1] - stored.shape[1]) <= 4096  # an encoder may pad its first and last frame
    loud = float(np.sqrt(np.mean(np.square(samples))) / np.sqrt(np.mean(np.square(stored / 2**15))))
    assert 0.9 < loud < 1.1


CODECS = [("pcm_s16le", "wav", RATE), ("flac", "flac", RATE), ("libmp3lame", "mp3", 16000), ("libopus", "ogg", 48000)]


@pytest.mark.parametrize(("codec", "container", "rate"), CODECS, ids=["WAV", "FLAC", "MP3", "Opus"])
def test_a_clip_is_a_slice_exact_to_the_sample(codec: str, container: str, rate: int) -> None:
    content = sound(codec, container, chirp(1, rate), rate)
    whole = Audio()(encoded(content)).samples
    for start_s, stop_s in np.sort(np.random.default_rng(3).uniform(0, SECONDS, (25, 2))).tolist():
        clip = Audio(clip_s=(start_s, stop_s))(encoded(content)).samples
        assert np.array_equal(clip, whole[:, round(start_s * rate) : round(stop_s * rate)])


@given(start=st.integers(0, SECONDS * RATE - 1), count=st.integers(1, RATE))
@settings(max_examples=60, deadline=None)
def test_any_sample_can_begin_a_clip(flac: bytes, start: int, count: int) -> None:
    clip = Audio(clip_s=(start / RATE, (start + count) / RATE))(encoded(flac)).samples
    assert np.array_equal(clip, (chirp() / np.float32(2**15))[:, start : start + count])


@pytest.mark.parametrize(("stored_rate", "rate"), [(48000, 16000), (16000, 44100), (8000, 8000), (44100, 8000)])
def test_another_rate_keeps_the_tone_and_the_time(stored_rate: int, rate: int) -> None:
    def tone(at_rate: int) -> Any:
        return np.sin(2 * np.pi * 300 * np.arange(at_rate) / at_rate) * 0.9

    stored = (tone(stored_rate)[np.newaxis] * 2**15).astype(np.int16)
    samples, told_rate = Audio(rate=rate)(encoded(wav(stored, stored_rate)))
    assert (told_rate, samples.shape, samples.dtype) == (rate, (1, rate), np.float32)
    assert np.abs(samples[0] - tone(rate))[200:-200].max() < 1e-3


def test_mono_is_the_mean_of_all_channels() -> None:
    stored = chirp(2)
    samples = Audio(mono=True)(encoded(wav(stored, RATE))).samples
    assert samples.shape == (1, SECONDS * RATE)
    assert np.allclose(samples, stored.mean(axis=0) / 2**15, atol=1e-6)


def test_a_waveform_is_a_pair() -> None:
    waveform = Audio()(encoded(wav(chirp(1), RATE)))
    assert waveform == (waveform.samples, waveform.rate)
    assert pickle.loads(pickle.dumps(waveform)).rate == RATE


def test_torch_gets_a_tensor() -> None:
    torch = pytest.importorskip("torch")
    samples = Audio(to="torch")(encoded(wav(chirp(2), RATE))).samples
    assert (tuple(samples.shape), samples.dtype) == ((2, SECONDS * RATE), torch.float32)


@pytest.mark.parametrize(
    ("codec", "container"), [("pcm_s16le", "wav"), ("flac", "flac"), ("aac", "mp4"), ("pcm_s16be", "aiff")]
)
def test_a_recording_cut_short_is_an_error_wherever_it_is_cut(codec: str, container: str) -> None:
    content = sound(codec, container, chirp(1), RATE)
    for kept in [*range(0, len(content), len(content) // 60), len(content) - 1]:
        with pytest.raises(ValueError, match="cut short|no recording|no sound|a damaged"):
            Audio()(encoded(content[:kept]))


def test_an_mp3_cut_short_is_an_error_where_it_says_how_long_it_is() -> None:
    content = sound("libmp3lame", "mp3", chirp(1, 16000), 16000)
    for kept in range(0, len(content) - 128, len(content) // 60):
        with pytest.raises(ValueError, match="cut short|no recording|no sound|a damaged"):
            Audio()(encoded(content[:kept]))


def test_a_page_of_ogg_cut_short_is_an_error() -> None:
    content = sound("libopus", "ogg", chirp(1, 48000), 48000)
    for kept in range(100, len(content) - 1, 997):
        with pytest.raises(ValueError, match="cut short"):
            Audio()(encoded(content[:kept]))


def test_a_silent_film_is_no_recording() -> None:
    with pytest.raises(ValueError, match="no stream of sound"):
        Audio()(encoded(film()))


def test_a_clip_beyond_the_end_says_how_long_the_sound_is(flac: bytes) -> None:
    with pytest.raises(ValueError, match=r"no sound at clip_s=\(5.0, 6.0\); it lasts 3.000 s at 8000 samples"):
        Audio(clip_s=(5.0, 6.0))(encoded(flac))


def test_samples_beyond_the_limit_are_refused(flac: bytes) -> None:
    with pytest.raises(ValueError, match="max_bytes=1000"):
        Audio(max_bytes=1000)(encoded(flac))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_gives_samples_or_an_error(flac: bytes, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([flac, wav(chirp(1), RATE)])))
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))
    try:
        samples = Audio(max_bytes=2**22)(encoded(bytes(content))).samples
    except Exception:  # noqa: BLE001 - any is fine, a crash is not
        return
    assert samples.dtype == np.float32


@pytest.mark.parametrize("options", [{"rate": 0}, {"clip_s": (1, 1)}, {"to": "pil"}, {"max_bytes": 0}], ids=str)
def test_options_that_mean_nothing_are_refused_at_once(options: Any) -> None:
    with pytest.raises(InvalidArgument):
        Audio(**options)
