"""Evils that are files in a folder of class folders."""

import os
import socket
import struct
import zipfile
from pathlib import Path
from zlib import compress

import numpy as np
from PIL import Image

from tests.unit.intake.evils.kit import (
    Corpus,
    chunk,
    encoded,
    image,
    jpeg,
    png,
    png_of,
    poison_pickle,
    shortened,
    with_chunk,
)


def build(root: Path, canary: Path) -> Corpus:
    """One folder with all of them."""
    corpus = Corpus(root / "files", seconds=1.0)
    for label in ("cat", "dog"):
        (corpus.drop / label).mkdir(parents=True)
    for number in range(4):
        (corpus.drop / "cat" / f"good-{number}.png").write_bytes(png(number))
        corpus.good += 1
    for name, data in {
        **_no_pictures(canary),
        **_broken(),
        **_large(),
        **_odd(),
        **_two_things(canary),
    }.items():
        stem = name.rpartition(".")[0] or name
        (corpus.drop / corpus.evil(stem, f"cat/{name}")).write_bytes(data)
    _names(corpus)
    _kinds(corpus, root)
    _again(corpus)
    return corpus


def _no_pictures(canary: Path) -> dict[str, bytes]:
    return {
        "zero-bytes.jpg": b"",
        "text-as-jpeg.jpg": b"hello",
        "svg-as-png.png": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "svg.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "postscript-as-png.png": b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%touch x) (w) file",
        "pdf-as-jpeg.jpg": b"%PDF-1.7\n",
        "tiff.tif": encoded(image(100), "TIFF"),
        "icon.ico": encoded(image(101), "ICO"),
        "jpeg-2000.jp2": encoded(image(102), "JPEG2000"),
        "avif.avif": encoded(image(112), "AVIF"),
        "pickle-as-jpeg.jpg": poison_pickle(canary),
        "pickle.pkl": poison_pickle(canary),
        "python.py": f"open({str(canary)!r}, 'w')".encode(),
        "zip-in-class-folder.zip": b"PK\x05\x06" + bytes(18),
        "png-as-jpeg.jpg": png(103),
        "jpeg-without-ending": jpeg(104),
        "jpeg-as-php.php": jpeg(105),
    }


def _broken() -> dict[str, bytes]:
    bad_crc = bytearray(png(110))
    bad_crc[-20] ^= 255
    whole = encoded(image(111), "WEBP")
    return {
        "truncated-jpeg.jpg": jpeg(106)[:300],
        "truncated-png.png": png(107)[:-40],
        "truncated-webp.webp": whole[:-30],
        "webp-lying-size.webp": whole[:4] + struct.pack("<I", 2**31) + whole[8:],
        "png-magic-only.png": b"\x89PNG\r\n\x1a\n",
        "jpeg-magic-only.jpg": b"\xff\xd8\xff",
        "png-bad-checksum.png": bytes(bad_crc),
        "png-lying-size.png": png_of(3000, 3000, data=bytes(100)),
        "png-no-pixels.png": png_of(0, 0),
        "jpeg-no-components.jpg": b"\xff\xd8\xff\xc0\x00\x08\x08\x00\x10\x00\x10\x00\xff\xd9",
        "bmp-lying-offset.bmp": encoded(image(108), "BMP")[:10] + b"\xff\xff\xff\x7f" + bytes(40),
        "gif-cut-in-palette.gif": encoded(image(109), "GIF")[:100],
        "png-text-bomb.png": with_chunk(png(113), chunk(b"zTXt", b"a\0\0" + compress(bytes(2**23), 9))),
    }


def _large() -> dict[str, bytes]:
    high = bytearray(jpeg(120))
    place = high.index(b"\xff\xc0") + 5
    high[place : place + 4] = struct.pack(">HH", 60000, 60000)
    gif = bytearray(encoded(image(121), "GIF"))
    gif[6:10] = struct.pack("<HH", 60000, 60000)
    bmp = bytearray(encoded(image(122), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60000, 60000)
    gradient = np.linspace(0, 255, 4000, dtype=np.uint8)
    largest = Image.fromarray(np.stack([np.broadcast_to(gradient, (4000, 4000))] * 3, 2).copy())
    turned = Image.fromarray(255 - np.asarray(largest)[::-1] // 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "png-60000.png": png_of(60000, 60000),
        "png-4-billion.png": png_of(2**31 - 1, 2**31 - 1),
        "jpeg-60000.jpg": bytes(high),
        "gif-60000.gif": bytes(gif),
        "bmp-60000.bmp": bytes(bmp),
        "png-icc-bomb.png": with_chunk(png(123), chunk(b"iCCP", b"a\0\0" + compress(bytes(2**23), 9))),
        "largest-picture.png": encoded(largest, "PNG"),
        "largest-turned-jpeg.jpg": encoded(turned, "JPEG", exif=exif),
        "one-row.png": png_of(15_000_000, 1, data=bytes(15_000_001)),
        "one-pixel.png": png_of(1, 1, data=b"\0\7"),
        "slow-jpeg.jpg": slow_jpeg(),
    }


def slow_jpeg() -> bytes:
    """A progressive JPEG of a flat picture, one scan of which comes ten thousand times."""
    flat = Image.new("L", (3900, 3900), 7)
    data = encoded(flat, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 10_000 + b"\xff\xd9"


def _odd() -> dict[str, bytes]:
    deep = Image.fromarray(np.arange(24 * 24, dtype=np.uint16).reshape(24, 24) * 100)
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [image(200), image(201)]
    more = {"save_all": True, "append_images": frames[1:], "duration": 100}
    return {
        "16-bit-grey.png": encoded(deep),
        "cmyk.jpg": encoded(image(202, "CMYK"), "JPEG"),
        "palette.png": encoded(image(203).quantize(16)),
        "palette-transparent.png": encoded(image(204).quantize(16), transparency=3),
        "alpha.png": encoded(_transparent(205)),
        "alpha-webp.webp": encoded(_transparent(206), "WEBP", lossless=True),
        "one-bit.png": encoded(image(207, "1")),
        "animated-gif.gif": encoded(frames[0], "GIF", **more),
        "animated-png.png": encoded(image(208), "PNG", **more),
        "animated-webp.webp": encoded(image(209), "WEBP", **more),
        "exif-turned.jpg": encoded(image(210), "JPEG", exif=exif),
        "exif-garbage.jpg": encoded(image(211), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(99)),
        "png-with-comment.png": with_chunk(png(212), chunk(b"tEXt", b"Comment\0<script>alert(1)</script>")),
    }


def _transparent(number: int) -> Image.Image:
    picture = image(number, "RGBA")
    picture.putalpha(image(number, "L"))
    return picture


def _two_things(canary: Path) -> dict[str, bytes]:
    packed = compress(b"")
    end = b"PK\x05\x06" + bytes(18)
    return {
        "jpeg-and-zip.jpg": jpeg(220) + end,
        "png-and-pickle.png": png(221) + poison_pickle(canary),
        "png-and-html.png": png(222) + b"<script>alert(1)</script>" + packed,
        "gif-and-javascript.gif": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
        "bmp-and-text.bmp": b"BM is how this letter begins",
    }


def _names(corpus: Corpus) -> None:
    cat = corpus.drop / "cat"

    def put(evil: str, name: str, shown: str | None = None) -> None:
        corpus.evil(evil, f"cat/{shown or name}")
        path = cat / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(300 + len(corpus.paths)))

    put("newline-in-name", "two\nlines.png")
    put("escape-in-name", "\x1b[2Jred.png")
    put("right-to-left-in-name", "gpj.\u202egnp.png")
    put("zero-width-in-name", "a\u200bb.png")
    put("backslash-in-name", "..\\..\\up.png")
    put("hidden-file", ".hidden.png")
    put("mac-fork", "__MACOSX/x.png")
    put("markup-in-name", "<img src=x onerror=alert(1)>.png")
    put("formula-in-name", "=cmd|' /C calc'!A0.png")
    put("shell-in-name", "$(touch canary);`touch canary`.png")
    put("percent-dots-in-name", "%2e%2e%2fup.png")
    put("emoji-in-name", "\U0001f408.png")
    put("two-spellings-of-e", "caf\u00e9.png")
    put("two-spellings-of-e-decomposed", "cafe\u0301.png")
    put("255-bytes-in-name", "n" * 251 + ".png")
    long = "/".join(["n" * 200] * 6) + ".png"
    put("1200-bytes-in-name", long, shortened(f"cat/{long}").removeprefix("cat/"))
    put("40-folders", "/".join(["d"] * 40) + "/x.png", "/".join(["d"] * 32))
    raw = os.fsencode(cat) + b"/\xff\xfe.png"
    Path(os.fsdecode(raw)).write_bytes(png(299))
    corpus.evil("name-not-utf-8", "cat/\ufffd\ufffd.png")


def _kinds(corpus: Corpus, root: Path) -> None:
    outside = root / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(png(400))
    cat = corpus.drop / "cat"
    (cat / "link.png").symlink_to(outside / "secret.png")
    corpus.evil("symbolic-link", "cat/link.png")
    (cat / "folder-link").symlink_to(outside)
    corpus.evil("symbolic-link-to-folder", "cat/folder-link")
    (cat / "loop.png").symlink_to(cat / "loop.png")
    corpus.evil("symbolic-link-to-itself", "cat/loop.png")
    os.mkfifo(cat / "pipe.png")
    corpus.evil("named-pipe", "cat/pipe.png")
    here = os.getcwd()
    os.chdir(cat)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.png")
    os.chdir(here)
    corpus.evil("socket", "cat/socket.png")
    with (cat / "sparse.png").open("wb") as stream:
        stream.write(png(401))
        stream.truncate(2**40)
    corpus.evil("sparse-terabyte", "cat/sparse.png")
    (corpus.drop / "loose.png").write_bytes(png(402))
    corpus.evil("no-class-folder", "loose.png")
    strange = corpus.drop / "hot dog"
    strange.mkdir()
    (strange / "x.png").write_bytes(png(403))
    corpus.evil("unknown-class", "hot dog/x.png")
    with zipfile.ZipFile(corpus.drop / "dog" / "inner.zip", "w") as inner:
        inner.writestr("cat/x.png", png(404))
    corpus.evil("nested-zip", "dog/inner.zip")


def _again(corpus: Corpus) -> None:
    """Pictures that come a second time; `dog` stands behind `cat`."""
    for name, picture in (
        ("dog/again-as-dog.png", image(0)),
        ("dog/jpeg-of-it.jpg", image(1)),
        ("cat/zz-again.png", image(2)),
    ):
        form = "JPEG" if name.endswith("jpg") else "PNG"
        (corpus.drop / name).write_bytes(
            encoded(picture, form, **({"quality": 97} if form == "JPEG" else {}))
        )
    corpus.evil("same-picture-other-label", "dog/again-as-dog.png")
    corpus.evil("near-copy-other-label", "dog/jpeg-of-it.jpg")
    corpus.evil("same-picture-twice", "cat/zz-again.png")
