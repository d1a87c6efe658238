"""A shipped model in the hands of somebody who has the folder and `asd`, and no workspace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import asd
from asd.errors import DataError
from asd.models import small_resnet
from asd.rng import numpy_generator
from tests.unit.ship.conftest import CLASSES, NETWORK

NOT_NEEDED = (
    *("prefect", "dvc", "flows", "duckdb", "altair", "vl_convert", "typer", "click", "rich", "pyarrow"),
    *("pandas", "yaml", "ruamel", "sklearn", "webdataset", "torchvision", "fastapi", "uvicorn"),
    *("jinja2", "psutil", "onnx", "onnxruntime"),
)


def images(count: int = 6) -> np.ndarray:
    return numpy_generator(1, "ship").integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)


def slow_probabilities(folder: Path, pictures: np.ndarray) -> np.ndarray:
    """Plain arithmetic: (pixel / 255 - mean) / std, the network, softmax."""
    network = small_resnet.build(NETWORK, 3, 4, torch.Generator())
    network.load_state_dict(load_file(folder / "model.safetensors"))
    mean = np.array([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1)
    std = np.array([0.2, 0.25, 0.3]).reshape(1, 3, 1, 1)
    inputs = torch.from_numpy(((pictures / 255 - mean) / std).astype(np.float32))
    with torch.no_grad():
        logits = network.eval()(inputs).double().numpy()
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def test_probabilities_are_those_of_plain_arithmetic(exported: Path) -> None:
    labels, shares = asd.load_model(exported).predict(images())
    wanted = slow_probabilities(exported, images())
    np.testing.assert_allclose(shares, wanted, atol=1e-5)
    assert labels.tolist() == wanted.argmax(1).tolist()
    assert (labels.dtype, shares.dtype) == (np.int64, np.float32)


def test_channels_last_gives_what_channels_first_gives(exported: Path) -> None:
    model = asd.load_model(str(exported))
    first, last = model.predict(images()), model.predict(images().transpose(0, 2, 3, 1))
    assert np.array_equal(first[1], last[1])


def test_a_batch_size_changes_no_class(exported: Path) -> None:
    model = asd.load_model(exported)
    assert np.array_equal(model.predict(images(7))[0], model.predict(images(7), batch=2)[0])


def test_no_image_gives_empty_answers(exported: Path) -> None:
    labels, shares = asd.load_model(exported).predict(images(0))
    assert (labels.shape, shares.shape) == ((0,), (0, 4))


def test_class_names_come_in_the_order_of_the_labels(exported: Path) -> None:
    assert asd.load_model(exported).class_names == CLASSES


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 3, 8, 8), np.float32), "must be uint8, 0 to 255, got float32"),
        (np.zeros((2, 3, 9, 8), np.uint8), r"shape \(N, 3, 8, 8\) or \(N, 8, 8, 3\), got \(2, 3, 9, 8\)"),
    ],
)
def test_arrays_of_another_kind_are_refused(exported: Path, given: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        asd.load_model(exported).predict(given)


def test_files_are_resized_as_recorded(exported: Path, tmp_path: Path) -> None:
    wide = numpy_generator(2, "ship").integers(0, 256, (20, 40, 3), dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    middle = Image.fromarray(wide[:, 10:30]).resize((8, 8), Image.Resampling.BILINEAR)  # fit: crop
    model = asd.load_model(exported)
    found = model.predict([tmp_path / "wide.png"])[1]
    np.testing.assert_allclose(found, model.predict(np.asarray(middle)[np.newaxis])[1], atol=0.02)


def test_the_bytes_of_a_picture_give_what_its_file_gives(exported: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)).save(tmp_path / "a.png")
    model = asd.load_model(exported)
    from_file = model.predict([tmp_path / "a.png"])[1]
    np.testing.assert_array_equal(model.predict([(tmp_path / "a.png").read_bytes()])[1], from_file)
    with pytest.raises(DataError, match="the picture: not a PNG"):
        model.predict([b"%PDF-1.7"])


def test_one_picture_that_is_not_in_a_list_is_refused(exported: Path) -> None:
    with pytest.raises(ValueError, match=r"wanted a list of pictures, got one str: write \[picture\]"):
        asd.load_model(exported).predict("photo.jpg")


def test_a_broken_picture_is_named(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%PDF-1.7")
    with pytest.raises(DataError, match=r"broken image .*a\.png: not a PNG"):
        asd.load_model(exported).predict([tmp_path / "a.png"])


def test_changed_weights_are_refused(exported: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(DataError, match=r"SHA-256 differs from model\.json"):
        asd.load_model(copy)


def test_a_folder_without_a_model_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing file .*model\.json"):
        asd.load_model(tmp_path)


def test_loading_and_predicting_need_nothing_of_the_pipeline(exported: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 20, 3), np.uint8)).save(tmp_path / "a.png")
    code = (
        "import sys, importlib.abc, json\n"
        "class Wall(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.partition('.')[0] in {NOT_NEEDED!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "import asd\n"
        f"m = asd.load_model({str(exported)!r})\n"
        f"labels, shares = m.predict([{str(tmp_path / 'a.png')!r}])\n"
        "print(json.dumps([m.class_names[labels[0]], float(shares.sum())]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, total = json.loads(done.stdout)
    assert name in CLASSES
    assert total == pytest.approx(1)


def test_importing_asd_imports_nothing_heavy() -> None:
    code = "import asd, sys; print(*[m for m in ('torch', 'numpy', 'pydantic', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_script_of_an_export_runs_where_asd_is_installed(exported: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "black.png")
    script = exported / "predict.py"
    command = [sys.executable, str(script), str(tmp_path / "black.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, name, share = done.stdout.strip().split("\t")
    labels, shares = asd.load_model(exported).predict(np.zeros((1, 3, 8, 8), np.uint8))
    assert (file, name) == (str(tmp_path / "black.png"), CLASSES[labels[0]])
    assert float(share) == pytest.approx(float(shares.max()), abs=6e-4)
    assert len(script.read_text().splitlines()) == 10
