"""Pictures become arrays."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.decoders import Image
from dataflux_core.errors import InvalidArgument
from tests.samples.media import PIL_Image, encoded, np, picture, smooth


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_what_is_stored_without_loss_is_decoded_exactly(height: int, width: int, seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for form in ("PNG", "BMP"):
        assert np.array_equal(Image()(encoded(picture(array, form))), array)


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG", "BMP", "GIF", "TIFF"])
def test_every_form_gives_height_width_channels(form: str) -> None:
    array = Image()(encoded(picture(smooth(30, 50), form)))
    assert (array.shape, array.dtype) == ((30, 50, 3), np.uint8)
    assert np.abs(array.astype(int) - smooth(30, 50)).mean() < (12 if form == "GIF" else 3)
    assert array.flags.writeable


@pytest.mark.parametrize(("mode", "channels"), [pytest.param("RGB", 3), pytest.param("RGBA", 4), pytest.param("L", 1)])
@pytest.mark.parametrize("stored", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_every_stored_mode_becomes_the_one_asked_for(stored: str, mode: Any, channels: int) -> None:
    source = PIL_Image.fromarray(smooth(20, 30))
    image = PIL_Image.new("I;16", (30, 20), 0x8000) if stored == "I;16" else source.convert(stored)
    content = _saved(image, "TIFF" if stored == "CMYK" else "PNG")
    array = Image(mode=mode)(encoded(content))
    assert (array.shape, array.dtype) == ((20, 30, channels), np.uint8)
    if stored == "I;16":
        assert set(array[:, :, 0].ravel().tolist()) == {0x80}


def _saved(image: Any, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def test_as_stored_keeps_the_numbers_of_a_palette() -> None:
    labels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    image = PIL_Image.fromarray(labels, "L").convert("P")
    image.putdata(labels.ravel().tolist())
    assert np.array_equal(Image(mode=None)(encoded(_saved(image, "PNG")))[:, :, 0], labels)


def test_as_stored_keeps_sixteen_bits() -> None:
    depth = (np.arange(20, dtype=np.uint16) * 3000).reshape(4, 5)
    assert np.array_equal(Image(mode=None)(encoded(picture(depth)))[:, :, 0], depth)


def test_a_palette_with_transparency_gives_no_warning() -> None:
    image = PIL_Image.fromarray(smooth(8, 8)).convert("P")
    content = _saved(image, "PNG", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Image()(encoded(content)).shape == (8, 8, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("stored", [(300, 500), (1500, 900), (20, 20), (224, 224)])
def test_a_size_is_met_whatever_was_stored(form: str, stored: tuple[int, int]) -> None:
    array = Image(size=(120, 224))(encoded(picture(smooth(*stored), form)))
    assert array.shape == (120, 224, 3)
    assert np.abs(array.astype(int) - smooth(120, 224)).mean() < 3


def test_a_crop_keeps_proportions_and_the_middle() -> None:
    stretched = Image(size=(100, 100))(encoded(picture(smooth(100, 300))))
    cropped = Image(size=(100, 100), fit="crop")(encoded(picture(smooth(100, 300))))
    assert stretched[50, 0, 1] < 5
    assert 80 <= cropped[50, 0, 1] <= 90  # a third of the width lies to the left
    assert 165 <= cropped[50, 99, 1] <= 175
    large = Image(size=(100, 100), fit="crop")(encoded(picture(smooth(1000, 3000), "JPEG", quality=95)))
    assert np.abs(large.astype(int) - cropped).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [None, (40, 60)])
def test_a_picture_is_turned_as_its_camera_says(orientation: int, size: tuple[int, int] | None) -> None:
    exif = PIL_Image.Exif()
    exif[0x0112] = orientation
    upright = smooth(40, 60)
    content = picture(_as_stored(upright, orientation), "JPEG", quality=98, subsampling=0, exif=exif.tobytes())
    turned = Image(size=size)(encoded(content))
    assert turned.shape == (40, 60, 3)
    assert np.abs(turned.astype(int) - upright).mean() < 2
    stored = Image(orientation="stored")(encoded(content))
    assert stored.shape == ((60, 40, 3) if orientation >= 5 else (40, 60, 3))


def _as_stored(upright: Any, orientation: int) -> Any:
    """Undo what each orientation of EXIF asks for."""
    inverse = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(inverse[orientation](upright))


def test_torch_gets_channels_first() -> None:
    torch = pytest.importorskip("torch")
    tensor = Image(to="torch", size=(20, 30))(encoded(picture(smooth(20, 30))))
    assert (tuple(tensor.shape), tensor.dtype) == ((3, 20, 30), torch.uint8)
    assert np.array_equal(tensor.permute(1, 2, 0).numpy(), smooth(20, 30))
    assert tensor.is_contiguous()


def test_pil_gets_its_own() -> None:
    image = Image(to="pil", size=(20, 30), mode="L")(encoded(picture(smooth(40, 60))))
    assert (image.size, image.mode) == ((30, 20), "L")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("size", [None, (12, 12)])
def test_a_picture_cut_short_is_an_error_or_lacks_no_pixel(form: str, size: tuple[int, int] | None) -> None:
    content = picture(np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8), form)
    whole = Image(size=size)(encoded(content))
    silently_wrong: list[int] = []
    for kept in [*range(0, len(content) - 24, 61), *range(len(content) - 24, len(content))]:
        with suppress(Exception):  # Pillow has one for each form
            cut = Image(size=size)(encoded(content[:kept]))
            if not np.array_equal(cut, whole):
                silently_wrong.append(kept)
    assert silently_wrong == []


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_picture_say_what_they_are(content: bytes) -> None:
    with pytest.raises(ValueError, match="no picture: "):
        Image()(encoded(content))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_gives_a_picture_or_an_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF"]))
    content = bytearray(picture(smooth(16, 16), form))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd tags
            array = Image(size=(8, 8))(encoded(bytes(content)))
    except Exception:  # noqa: BLE001 - any is fine, a crash is not
        return
    assert array.shape == (8, 8, 3)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ValueError, match="40000 x 2000 pixels; max_pixels=1000000"):
        Image(max_pixels=1_000_000)(encoded(_png_header(40000, 2000)))
    with pytest.raises(Exception, match="pixels"):
        Image()(encoded(_png_header(60000, 60000)))


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_format_that_starts_programs_is_none_of_ours() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(/etc/passwd) (r) file\n"
    with pytest.raises(ValueError, match="no picture"):
        Image()(encoded(postscript))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"size": 224}, "size=224", id="one number is no size"),
        pytest.param({"size": (0, 10)}, "size=", id="a side of nothing"),
        pytest.param({"size": (224.0, 224)}, "size=", id="part of a pixel"),
        pytest.param({"mode": "HSV"}, "mode='HSV'", id="a mode that is not offered"),
        pytest.param({"to": "jax"}, "to='jax'", id="a form that is not offered"),
        pytest.param({"max_pixels": 0}, "max_pixels=0", id="no pixels at all"),
        pytest.param({"max_pixels": 10**9}, "MAX_IMAGE_PIXELS", id="more pixels than Pillow decodes"),
    ],
)
def test_options_that_mean_nothing_are_refused_at_once(options: Any, named: str) -> None:
    with pytest.raises(InvalidArgument, match=named.replace("(", r"\(")):
        Image(**options)


def test_a_decoder_is_a_value() -> None:
    decoder = Image(size=(224, 224), to="numpy")
    assert pickle.loads(pickle.dumps(decoder)) == decoder
    assert "size=(224, 224)" in repr(decoder)


def test_a_blank_has_the_shape_of_a_picture() -> None:
    assert Image(size=(3, 4)).blank().shape == (3, 4, 3)
    assert Image(size=(3, 4), mode="L").blank().shape == (3, 4, 1)
    assert Image().blank() is None
