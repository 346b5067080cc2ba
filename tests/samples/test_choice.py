"""Each column gets the decoder that its caller or its files ask for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dataflux_core._data.samples.choice import chosen_decoders
from dataflux_core._data.samples.kinds import extension_of, kind_of_content, kind_of_extension
from dataflux_core.decoders import Audio, Auto, Bytes, Encoded, Image, Json, Text, Video
from dataflux_core.errors import InvalidArgument
from tests.samples.media import encoded, film, np, picture, smooth, sound, wav


@pytest.mark.parametrize(
    ("url", "extension"),
    [
        pytest.param("gs://b/a/cat.JPG", "jpg", id="in small letters"),
        pytest.param("https://h/cat.png?sig=a.b/c.mp4#x.txt", "png", id="not of a query"),
        pytest.param("HTTPS://h/cat.png?sig=a.b", "png", id="not of a query, however the scheme is written"),
        pytest.param("https://h/a.b/cat", "", id="not of a folder"),
        pytest.param("gs://b/what?.jpg", "jpg", id="an object's name may hold a question mark"),
        pytest.param("/data/.jpg", "", id="a hidden file has none"),
        pytest.param("/data/cat.tar.gz", "gz", id="the last of two"),
        pytest.param("/data/cat.", "", id="a dot alone"),
        pytest.param("", "", id="no URL"),
    ],
)
def test_extensions(url: str, extension: str) -> None:
    assert extension_of(url) == extension


@pytest.mark.parametrize(
    ("extension", "kind"),
    [
        *[("jpg", "image"), ("webm", "video"), ("m4a", "audio"), ("txt", "text"), ("json", "json"), ("npz", "npy")],
        *[("bin", "bytes"), ("parquet", "bytes"), ("", None)],
    ],
)
def test_kinds_of_extensions(extension: str, kind: str | None) -> None:
    assert kind_of_extension(extension) == kind


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_picture_is_known_by_its_first_bytes(form: str) -> None:
    assert kind_of_content(picture(smooth(8, 8), form)) == "image"


@pytest.mark.parametrize(("codec", "container"), [("mpeg4", "mp4"), ("mpeg4", "avi"), ("libvpx", "webm")])
def test_a_film_is_known_by_its_first_bytes(codec: str, container: str) -> None:
    assert kind_of_content(film(codec, container)) == "video"


@pytest.mark.parametrize(("codec", "container"), [("flac", "flac"), ("libmp3lame", "mp3"), ("aac", "ipod")])
def test_a_recording_is_known_by_its_first_bytes(codec: str, container: str) -> None:
    assert kind_of_content(sound(codec, container, np.zeros((1, 16000), np.int16), 16000)) == "audio"
    assert kind_of_content(wav(np.zeros((1, 8), np.int16), 8000)) == "audio"


@pytest.mark.parametrize("content", [b"", b"BMW is no bitmap, whatever its letters say", b"RIFF", b"{}", b"\x00" * 20])
def test_all_else_is_bytes(content: bytes) -> None:
    assert kind_of_content(content) == "bytes"


def test_nothing_said_means_by_extension_else_by_content() -> None:
    decoder = chosen_decoders(["data_url"])["data_url"]
    assert decoder == Auto()
    assert decoder(encoded(picture(smooth(4, 5)), "gs://b/a.png")).shape == (4, 5, 3)
    assert decoder(encoded(picture(smooth(4, 5)), "gs://b/no-extension")).shape == (4, 5, 3)
    assert decoder(encoded(b"caption", "gs://b/a.txt")) == "caption"
    assert decoder(encoded(b'{"a": 1}', "https://h/a.json?b=c.txt")) == {"a": 1}
    assert decoder(encoded(b"caption", "gs://b/a")) == b"caption"
    assert decoder(encoded(b"caption", "gs://b/a.bin")) == b"caption"


def test_one_name_is_for_every_column() -> None:
    assert chosen_decoders(["a", "b"], "image") == {"a": Image(), "b": Image()}
    assert chosen_decoders(["a"], "auto") == {"a": Auto()}


def test_one_decoder_is_for_every_column() -> None:
    small = Image(size=(8, 8))
    assert chosen_decoders(["a", "b"], small) == {"a": small, "b": small}


def test_a_mapping_is_for_the_columns_that_it_names() -> None:
    def own(sample: Encoded) -> int:
        return len(sample.content)

    chosen = chosen_decoders(["a", "b", "c", "d"], {"a": "text", "b": own, "c": Audio(rate=16000)})
    assert chosen == {"a": Text(), "b": own, "c": Audio(rate=16000), "d": Auto()}
    assert chosen_decoders(["a"], {"a": "bytes"}) == {"a": Bytes()}
    assert chosen_decoders(["a", "b"], {"a": "json", "b": "video"}) == {"a": Json(), "b": Video()}


@pytest.mark.parametrize(
    ("data_type", "said"),
    [
        pytest.param("picture", "data_type='picture': expected image, video", id="a name that is none"),
        pytest.param({"a": "picture"}, "data_type='picture'", id="a name that is none, of a column"),
        pytest.param({"z": "image"}, "columns that are loaded: a", id="a column that is not loaded"),
        pytest.param({"a": Image}, r"column 'a': expected an instance of it, Image\(…\)", id="a class"),
        pytest.param({"a": 3}, "column 'a': expected a function of Encoded", id="a number"),
    ],
)
def test_what_is_no_decoder_is_refused(data_type: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        chosen_decoders(["a"], data_type)


WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({lacking!r}))
from dataflux_core._data.samples.choice import chosen_decoders
from dataflux_core.decoders import Image
from dataflux_core.errors import ExtraMissing
try:
    chosen_decoders(["a"], {data_type}, {{"a": {urls!r}}})
except ExtraMissing as error:
    print(error.extra)
"""


@pytest.mark.parametrize(
    ("lacking", "data_type", "urls", "extra"),
    [
        pytest.param(["PIL"], "'image'", [], "image", id="images without Pillow"),
        pytest.param(["PIL"], "None", ["gs://b/a.txt", "gs://b/a.jpg"], "image", id="images by extension"),
        pytest.param(["av"], "'video'", [], "video", id="video without PyAV"),
        pytest.param(["av"], "'audio'", [], "audio", id="audio without PyAV"),
        pytest.param(["numpy"], "'npy'", [], "streaming", id="arrays without NumPy"),
        pytest.param(["torch"], "Image(to='torch')", [], "torch", id="tensors without torch"),
        pytest.param(["PIL", "av", "numpy", "torch"], "'text'", ["gs://b/a.txt"], "", id="text needs nothing"),
    ],
)
def test_an_extra_that_is_missing_is_told_before_the_first_sample(
    lacking: list[str], data_type: str, urls: list[str], extra: str
) -> None:
    script = WITHOUT.format(lacking=lacking, data_type=data_type, urls=urls)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == extra


def test_importing_decoders_imports_no_library_of_media() -> None:
    script = "import sys, dataflux_core.decoders; print(sorted({'PIL', 'av', 'torch', 'numpy'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"
