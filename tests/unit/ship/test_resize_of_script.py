"""The script that is shipped beside an ONNX model resizes a picture as training did."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from asd.datasets._decode import to_form
from asd.ship.card import onnx_script


@pytest.mark.parametrize("fit", ["stretch", "crop", "center_crop"])
@pytest.mark.parametrize("size", [(50, 37), (37, 50), (20, 20), (300, 41)])
def test_it_gives_the_pixels_of_training(fit: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    text = onnx_script(SimpleNamespace(resize=SimpleNamespace(fit=fit)))
    body = text[text.index("    picture = ", text.index("exif_transpose")) : text.index("    pixels =")]
    names = {"picture": picture, "width": 21, "height": 21, "Image": Image, "ImageOps": ImageOps}
    exec(textwrap.dedent(body), names)
    wanted = to_form(picture, "x", 21, 3, fit)
    assert np.array_equal(np.asarray(names["picture"]).transpose(2, 0, 1), wanted)
