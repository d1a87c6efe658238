"""ONNX against safetensors, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import asd
from asd.errors import DataError, ParamsError
from asd.rng import numpy_generator
from asd.ship import export as shipping
from asd.ship import onnx_format
from asd.ship.format import read_facts
from tests.unit.ship.conftest import CLEAN, Pets

needs_extra = pytest.mark.skipif(
    not onnx_format.is_installed(), reason="onnx or onnxruntime is not installed"
)
COUNT = 256

RUNTIME = """
import json, sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
images = numpy.load(sys.argv[2])
one = [session.run(None, {"images": images[i:i + 1]}) for i in range(3)]
probabilities, labels = session.run(None, {"images": images})
one = numpy.concatenate([found[0] for found in one])
numpy.savez(sys.argv[3], probabilities=probabilities, labels=labels, one=one)
kinds = [(i.name, i.type, i.shape) for i in session.get_inputs()]
print(json.dumps({"kinds": kinds, "torch": "torch" in sys.modules, "asd": "asd" in sys.modules}))
"""


@needs_extra
def test_onnxruntime_in_another_process_agrees_with_safetensors_on_256_images(
    exported: Path, tmp_path: Path
) -> None:
    images = numpy_generator(3, "ship").integers(0, 256, (COUNT, 3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    files = [exported / "model.onnx", tmp_path / "images.npy", tmp_path / "found.npz"]
    command = [sys.executable, "-c", RUNTIME, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {"kinds": [["images", "tensor(uint8)", ["batch", 3, 8, 8]]], "torch": False, "asd": False}
    labels, shares = asd.load_model(exported).predict(images)
    with np.load(tmp_path / "found.npz") as found:
        assert found["labels"].tolist() == labels.tolist()
        np.testing.assert_allclose(found["probabilities"], shares, atol=1e-5)
        np.testing.assert_allclose(found["one"], shares[:3], atol=1e-5)


@needs_extra
def test_the_opset_and_the_hash_are_recorded(exported: Path) -> None:
    import onnx

    from asd.store import file_sha256

    facts = read_facts(exported).onnx
    assert facts is not None
    found = onnx.load(exported / "model.onnx").opset_import
    assert [(entry.domain, entry.version) for entry in found] == [("", facts.opset)]
    assert facts.sha256 == file_sha256(exported / "model.onnx")


@needs_extra
def test_an_export_of_onnx_alone_has_a_script_that_needs_no_asd(finished: Pets, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = shipping.export(finished.workspace, CLEAN, out, "onnx")
    assert done.files == ("MODEL_CARD.md", "model.json", "model.onnx", "predict.py")
    with pytest.raises(DataError, match=r"missing file .*it holds model\.onnx for onnxruntime"):
        asd.load_model(out)
    shipping.export(finished.workspace, CLEAN, tmp_path / "both")
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "a.png")
    answers = []
    for script in (out / "predict.py", tmp_path / "both" / "predict.py"):
        command = [sys.executable, str(script), str(tmp_path / "a.png")]
        answers.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert answers[0] == answers[1]
    assert "import asd" not in (out / "predict.py").read_text()


def test_without_the_extra_the_format_names_what_to_install(
    finished: Pets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_format, "is_installed", lambda: False)
    with pytest.raises(ParamsError, match=r"pip install onnx onnxruntime"):
        shipping.export(finished.workspace, CLEAN, tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()
    assert shipping.default_formats() == ("safetensors",)
