"""Starting from the user's own weights: safetensors by hash, head kept or replaced, pickles refused."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from asd import store
from asd.errors import DataError, ParamsError
from asd.models import small_resnet
from asd.training.weights import StartingWeights, start_from

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("cat", "dog", "owl")


def network(classes=3, seed=0, widths=(4, 8, 8)):
    return small_resnet.build(
        small_resnet.Params(widths=widths), 3, classes, torch.Generator().manual_seed(seed)
    )


def saved(folder, model, metadata=None, name="mine.safetensors"):
    path = folder / name
    if metadata is None:
        save_file(model.state_dict(), path)
    else:
        store.write_tensors(path, model.state_dict(), metadata)
    return StartingWeights(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_weights_for_as_many_classes_are_taken_whole(tmp_path):
    theirs, ours = network(seed=1), network()
    given = saved(tmp_path, theirs)
    assert start_from(ours, given, NAMES) == {"sha256": given.sha256, "head": "kept"}
    assert all(torch.equal(v, theirs.state_dict()[n]) for n, v in ours.state_dict().items())


def test_the_head_is_replaced_when_the_number_of_classes_differs(tmp_path):
    theirs, ours = network(10, seed=1), network()
    head = ours.head.weight.clone()
    assert start_from(ours, saved(tmp_path, theirs), NAMES)["head"] == "replaced"
    assert torch.equal(ours.head.weight, head)
    assert torch.equal(ours.layer3[0].conv1.weight, theirs.layer3[0].conv1.weight)


@pytest.mark.parametrize(
    ("names", "head"), [(["cat", "dog", "owl"], "kept"), (["cat", "owl", "dog"], "replaced")]
)
def test_the_head_of_a_model_of_asd_is_kept_for_the_same_classes_alone(tmp_path, names, head):
    given = saved(tmp_path, network(seed=1), {"class_names": names})
    assert start_from(network(), given, NAMES)["head"] == head


def test_counters_of_batch_norm_may_be_missing(tmp_path):
    tensors = {n: v for n, v in network(seed=1).state_dict().items() if not n.endswith("num_batches_tracked")}
    save_file(tensors, tmp_path / "mine.safetensors")
    digest = store.file_sha256(tmp_path / "mine.safetensors")
    start_from(network(), StartingWeights(tmp_path / "mine.safetensors", digest), NAMES)


def test_another_width_is_refused_and_named(tmp_path):
    given = saved(tmp_path, network(widths=(8, 8, 8)))
    with pytest.raises(DataError, match=r"another network: stem\.0\.weight is \(8, 3, 3, 3\), wanted \(4"):
        start_from(network(), given, NAMES)


def test_another_depth_is_refused_and_named(tmp_path):
    params = small_resnet.Params(widths=(4, 8), strides=(2, 2))
    given = saved(tmp_path, small_resnet.build(params, 3, 3, torch.Generator()))
    with pytest.raises(DataError, match="another network: it has no layer3"):
        start_from(network(), given, NAMES)


def test_a_changed_file_is_refused(tmp_path):
    given = saved(tmp_path, network())
    saved(tmp_path, network(seed=1))
    with pytest.raises(DataError, match=f"wanted {given.sha256}, got [0-9a-f]{{64}}"):
        start_from(network(), given, NAMES)


def test_without_a_hash_the_line_to_add_is_said(tmp_path):
    given = saved(tmp_path, network())
    with pytest.raises(ParamsError, match=f"set model.weights_sha256: {given.sha256}"):
        start_from(network(), StartingWeights(given.path, None), NAMES)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*gone\.safetensors"):
        start_from(network(), StartingWeights(tmp_path / "gone.safetensors", None), NAMES)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was opened",))


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.bin", "model.ckpt", "model.safetensors"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickled_file_is_refused_unopened_whatever_its_name(tmp_path, name, protocol):
    (tmp_path / name).write_bytes(pickle.dumps({"w": Bomb()}, protocol=protocol))
    with pytest.raises(
        DataError, match=r"pickled file.*\"Pickled weights\" of docs/extend\.md has the command"
    ):
        start_from(network(), StartingWeights(tmp_path / name, None), NAMES)


def test_a_zip_of_torch_is_refused(tmp_path):
    torch.save({"w": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="pickled file"):
        start_from(network(), StartingWeights(tmp_path / "model.safetensors", None), NAMES)


def test_the_command_that_the_message_points_to_converts_the_file(tmp_path):
    torch.save({"state_dict": network(seed=1).state_dict()}, tmp_path / "model.pth")
    section = (ROOT / "docs/extend.md").read_text().split("### Pickled weights\n")[1]
    code = section.split("```python\n")[1].split("```")[0]
    subprocess.run([sys.executable, "-c", code, "model.pth"], cwd=tmp_path, check=True)
    path = tmp_path / "model.safetensors"
    assert start_from(network(), StartingWeights(path, store.file_sha256(path)), NAMES)["head"] == "kept"


def test_a_safetensors_file_that_begins_like_a_pickle_is_none(tmp_path):
    (length,) = (640,)  # its first bytes are 80 02
    header = b'{"head.bias":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'.ljust(length)
    (tmp_path / "mine.safetensors").write_bytes(length.to_bytes(8, "little") + header)
    digest = store.file_sha256(tmp_path / "mine.safetensors")
    with pytest.raises(DataError, match="holds another network"):
        start_from(network(), StartingWeights(tmp_path / "mine.safetensors", digest), NAMES)


def test_rubbish_is_no_safetensors_file(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"not at all")
    digest = store.file_sha256(tmp_path / "mine.safetensors")
    with pytest.raises(DataError, match="not a valid safetensors file"):
        start_from(network(), StartingWeights(tmp_path / "mine.safetensors", digest), NAMES)


def test_values_that_are_not_finite_are_refused(tmp_path):
    broken = network()
    broken.head.bias.data[0] = float("nan")
    with pytest.raises(DataError, match=r"head\.bias holds values that are not finite"):
        start_from(network(), saved(tmp_path, broken), NAMES)
