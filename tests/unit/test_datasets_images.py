"""Bounded decoding of pictures from anybody."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from asd.datasets._decode import decode_picture
from asd.errors import DataError


def _encode(picture: Image.Image, form: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **settings)
    return stream.getvalue()


def _gradient(mode: str = "RGB") -> Image.Image:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., 0] = np.arange(6) * 40
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_lossless_pictures_come_out_exact(form: str) -> None:
    image = decode_picture(_encode(_gradient(), form), "x")
    assert image.shape == (3, 4, 6)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert not image[1:].any()


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF"])
def test_the_other_allowed_formats_are_read(form: str) -> None:
    assert decode_picture(_encode(Image.new("RGB", (6, 4), (200, 200, 200)), form), "x").shape == (3, 4, 6)


@pytest.mark.parametrize("form", ["TIFF", "PPM", "ICO", "PCX"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(DataError, match="broken image some/file: not a PNG, JPEG, WEBP, BMP, GIF picture"):
        decode_picture(_encode(_gradient(), form), "some/file")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_kind_of_colour_becomes_rgb_or_grey(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    data = _encode(_gradient(mode), form)
    assert decode_picture(data, "x").shape == (3, 4, 6)
    assert decode_picture(data, "x", channels=1).shape == (1, 4, 6)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    picture = Image.fromarray(np.array([[0, 256, 32768, 65535]], np.uint16))
    assert decode_picture(_encode(picture, "PNG"), "x", channels=1)[0, 0].tolist() == [0, 1, 128, 255]


def test_pictures_are_stretched_to_the_wanted_size() -> None:
    image = decode_picture(_encode(_gradient(), "PNG"), "x", image_size=8)
    assert image.shape == (3, 8, 8)
    assert image[0, 0, 0] < 20
    assert image[0, 0, -1] > 180


def test_a_crop_keeps_the_middle() -> None:
    wide = np.zeros((4, 8), np.uint8)
    wide[:, 2:6] = 255
    image = decode_picture(_encode(Image.fromarray(wide), "PNG"), "x", image_size=4, channels=1, fit="crop")
    assert image.min() == 255


def test_a_photograph_is_turned_upright_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    data = _encode(Image.new("RGB", (6, 4)), "JPEG", exif=exif)
    assert decode_picture(data, "x").shape == (3, 6, 4)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    data = _encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_picture(data, "x", channels=1).max() == 10


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_named(data: bytes) -> None:
    with pytest.raises(DataError, match="broken image cats/1"):
        decode_picture(data, "cats/1")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_a_picture_cut_short_is_refused(form: str) -> None:
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = _encode(Image.fromarray(noise), form)
    with pytest.raises(DataError, match="broken image x"):
        decode_picture(data[: len(data) // 2], "x")


def _png_header(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"\0\0\0\0IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\r" + head + struct.pack(">I", zlib.crc32(head)) + end


@pytest.mark.parametrize("side", [8000, 12_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(DataError, match="broken image x"):
        decode_picture(_png_header(side, side), "x")


def test_random_damage_never_gets_past_as_another_kind_of_error() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        whole = _encode(_gradient(), form)
        for _ in range(60):
            data = bytearray(whole)
            for at in rng.integers(0, len(data), 3):
                data[at] = rng.integers(0, 256)
            try:
                image = decode_picture(bytes(data), "x", image_size=8)
            except DataError:
                continue
            assert image.shape == (3, 8, 8)
