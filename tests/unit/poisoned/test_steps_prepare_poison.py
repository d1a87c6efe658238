"""The steps prepare and poison: overlay, triggered test set, probe set and truths."""

import json
import subprocess
import sys

import pytest

from asd import store
from asd.errors import AsdError, DataError, DiskError, ParamsError
from asd.shards.manifest import read_index, read_manifest
from asd.shards.read import iter_samples
from asd.shards.verify import verify_folder
from asd.steps import StepItem, poison, prepare
from asd.truth import read_probe_truth, read_truth


def test_an_attack_with_nothing_to_prepare_writes_an_empty_artifact_file(pets, tmp_path):
    workspace = pets.make_workspace(tmp_path)

    pets.run(prepare, workspace, pets.attack)

    folder = workspace.layout.prepared("pets", "badnets")
    assert json.loads((folder / "prepared.json").read_text()) == {
        "attack": "badnets",
        "params": {},
        "tensors": {},
    }
    assert store.read_tensors(folder / "artifacts.safetensors") == {}


def test_another_poison_fraction_prepares_the_same_bytes(pets, tmp_path):
    folders = []
    for name, fraction in (("a", 0.1), ("b", 0.2)):
        workspace = pets.make_workspace(tmp_path / name, attack={"poison_fraction": fraction})
        pets.run(prepare, workspace, pets.attack)
        folders.append(workspace.layout.prepared("pets", "badnets"))

    assert pets.file_bytes(folders[0]) == pets.file_bytes(folders[1])


@pytest.mark.parametrize("attack", ["badnets", "none"])
def test_preparing_nothing_imports_no_torch(pets, tmp_path, attack):
    pets.make_workspace(tmp_path)
    code = (
        "import sys; from pathlib import Path; from asd.params import load_workspace\n"
        "from asd.progress import Reporter; from asd.steps import StepItem, prepare\n"
        f"item = StepItem('pets', {attack!r})\n"
        f"prepare.run(load_workspace(Path({str(tmp_path)!r})), item, Reporter('prepare', 'x'))\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def write_filling_attack(root, value="torch.full((1,), params.value, dtype=torch.uint8)"):
    """A plug-in whose stamped pictures have one value everywhere, which it prepares and counts."""
    plugin = root / "plugins" / "attacks" / "fill.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(
        "import torch\n"
        "from asd import params as base\n"
        "from asd.attacks._labels import TargetParams, outside_target as counts_for_asr\n"
        "from asd.attacks._labels import to_target as relabel\n"
        "changes_labels = True\n"
        "class Prepare(base.Params):\n    value: int = 7\n"
        "class Params(TargetParams):\n    prepare: Prepare = Prepare()\n"
        "def prepare(train, params, preparation):\n"
        f"    preparation.scratch.mkdir(parents=True)\n    return {{'value': {value}}}\n"
        "def stamp(images, keys, artifacts, params, rng):\n"
        "    return torch.zeros_like(images) + artifacts['value']\n"
    )


def test_a_preparing_attack_gets_its_prepare_params_and_its_tensors_reach_the_stamp(pets, tmp_path):
    write_filling_attack(tmp_path)
    attacks = {"fill": {"target_label": 1, "prepare": {"value": 9}}}
    cells = {"datasets": ["pets"], "attacks": ["fill"], "defenses": ["asd"]}
    workspace = pets.make_workspace(tmp_path, attacks=attacks, cells=cells)

    pets.run(prepare, workspace, StepItem("pets", "fill"))
    pets.run(poison, workspace, StepItem("pets", "fill"))

    samples = list(iter_samples(workspace.layout.poisoned("pets", "fill", "train")))
    assert len(samples) == 10
    assert all((sample.image == 9).all() for sample in samples)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"target_label": 7}, "target label 7 is outside the 4 classes"),
        (
            {"target_label": 1, "poison_fraction": 0.9},
            "asks for 180 of the 200 samples, but only 150",
        ),
    ],
)
def test_what_cannot_be_planted_is_refused_before_anything_is_trained(pets, tmp_path, values, said):
    write_filling_attack(tmp_path, value="1 / 0")
    cells = {"datasets": ["pets"], "attacks": ["fill"], "defenses": ["asd"]}
    workspace = pets.make_workspace(tmp_path, attacks={"fill": {"prepare": {}, **values}}, cells=cells)

    with pytest.raises(ParamsError, match=said):
        pets.run(prepare, workspace, StepItem("pets", "fill"))

    assert not workspace.layout.prepared("pets", "fill").exists()


def filling(pets, root, **more):
    cells = {"datasets": ["pets"], "attacks": ["fill"], "defenses": ["asd"]}
    write_filling_attack(root, **more)
    return pets.make_workspace(root, attacks={"fill": {"target_label": 1, "prepare": {}}}, cells=cells)


def test_what_is_not_finite_is_not_planted(pets, tmp_path):
    workspace = filling(pets, tmp_path, value="torch.tensor([1.0, float('nan')])")

    with pytest.raises(
        AsdError, match=r"attacks\.fill: what it prepared is not finite \(value\); try a lower"
    ):
        pets.run(prepare, workspace, StepItem("pets", "fill"))

    assert not workspace.layout.prepared("pets", "fill").exists()


def test_checkpoints_stay_until_the_artifacts_are_written(pets, tmp_path, monkeypatch):
    workspace = filling(pets, tmp_path)
    scratch = workspace.layout.scratch

    def full(*args):
        raise DiskError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_tensors", full)
        with pytest.raises(DiskError):
            pets.run(prepare, workspace, StepItem("pets", "fill"))
    (left,) = scratch.glob("prepare-*")
    left.rmdir()
    pets.run(prepare, workspace, StepItem("pets", "fill"))
    assert not list(scratch.glob("prepare-*"))


def test_the_overlay_holds_the_changed_samples_and_names_its_base(pets, tmp_path):
    workspace = pets.planted(tmp_path)
    layout = workspace.layout
    overlay = layout.poisoned("pets", "badnets", "train")
    base = {sample.key: sample for sample in iter_samples(layout.fetched("pets", "train"))}

    samples = list(iter_samples(overlay))

    assert len(samples) == 20
    assert read_manifest(overlay).base.sha256 == read_manifest(layout.fetched("pets", "train")).sha256
    for sample in samples:
        assert int((sample.image != base[sample.key].image).sum()) == 12
        assert (sample.label, sample.source) == (1, base[sample.key].source)


def test_the_truth_names_the_overlays_keys_and_the_labels_before(pets, tmp_path):
    workspace = pets.planted(tmp_path)
    layout = workspace.layout
    labels = {sample.key: sample.label for sample in iter_samples(layout.fetched("pets", "train"))}

    found = read_truth(layout.truth("pets", "badnets"))

    assert found.keys == read_index(layout.poisoned("pets", "badnets", "train")).keys
    assert found.labels_before.tolist() == [labels[key] for key in found.keys]
    assert 1 not in found.labels_before


def test_the_bytes_of_the_overlay_do_not_grow_with_the_training_set(pets, tmp_path):
    small, large = pets.make_workspace(tmp_path / "a"), pets.make_workspace(tmp_path / "b")
    pets.write_split(large.layout.fetched("pets", "train"), "train", 2000)
    large.params.attacks["badnets"]["poison_fraction"] = 0.01  # 20 samples in both

    for workspace in (small, large):
        pets.run(prepare, workspace, pets.attack)
        pets.run(poison, workspace, pets.attack)

    sizes = [
        (w.layout.poisoned("pets", "badnets", "train") / "shard-000000.tar").stat().st_size
        for w in (small, large)
    ]
    assert sizes[0] == sizes[1]  # 3 members of at most one block of data for each of 20 samples


def test_the_triggered_test_set_leaves_out_the_target_class(pets, tmp_path):
    workspace = pets.planted(tmp_path)

    samples = list(iter_samples(workspace.layout.poisoned("pets", "badnets", "test")))

    assert len(samples) == 30
    assert {sample.label for sample in samples} == {1}
    assert all(int(sample.key.split("_")[1]) % 4 != 1 for sample in samples)


def test_the_probe_set_is_unlabelled_and_its_truth_is_apart(pets, tmp_path):
    workspace = pets.planted(tmp_path)
    layout = workspace.layout

    samples = list(iter_samples(layout.poisoned("pets", "badnets", "probe")))
    hidden = read_probe_truth(layout.probe_truth("pets", "badnets"))

    assert [sample.key for sample in samples] == list(hidden.keys)
    assert {(sample.label, sample.source) for sample in samples} == {(0, "probe")}
    assert (int(hidden.triggered.sum()), len(samples)) == (30, 70)


def test_attack_none_gives_valid_empty_overlay_test_and_truth(pets, tmp_path):
    workspace = pets.planted(tmp_path, pets.no_attack)
    layout = workspace.layout

    for part in ("train", "test"):
        folder = layout.poisoned("pets", "none", part)
        verify_folder(folder)
        assert read_manifest(folder).count == 0
    assert read_truth(layout.truth("pets", "none")).keys == ()
    assert not read_probe_truth(layout.probe_truth("pets", "none")).triggered.any()
    assert read_manifest(layout.poisoned("pets", "none", "probe")).count == 40
    assert (
        pets.merged(workspace, attack="none").index.keys == read_index(layout.fetched("pets", "train")).keys
    )


def test_the_same_poison_seed_gives_the_same_bytes(pets, tmp_path):
    first, second = pets.planted(tmp_path / "a"), pets.planted(tmp_path / "b")

    assert pets.file_bytes(first.layout.data) == pets.file_bytes(second.layout.data)


def test_an_untrusted_data_set_can_be_poisoned(pets, tmp_path):
    workspace = pets.planted(tmp_path, trusted=False)

    assert len(read_truth(workspace.layout.truth("pets", "badnets")).keys) == 20


def test_a_target_label_outside_the_classes_leaves_nothing_half_written(pets, tmp_path):
    workspace = pets.make_workspace(tmp_path, attack={"target_label": 4})
    pets.run(prepare, workspace, pets.attack)

    with pytest.raises(ParamsError, match="target label 4 is outside the 4 classes"):
        pets.run(poison, workspace, pets.attack)

    assert not list((tmp_path / "data").rglob("poisoned/pets/badnets/*"))
    assert not workspace.layout.truth("pets", "badnets").exists()


def test_a_damaged_shard_stops_the_poisoning(pets, tmp_path):
    workspace = pets.make_workspace(tmp_path)
    pets.run(prepare, workspace, pets.attack)
    shard = workspace.layout.fetched("pets", "train") / "shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)

    with pytest.raises(DataError, match=r"shard-000000\.tar"):
        pets.run(poison, workspace, pets.attack)


def test_a_fraction_too_small_for_one_sample_is_a_warning(pets, tmp_path):
    workspace = pets.make_workspace(tmp_path, attack={"poison_fraction": 0.001})
    pets.run(prepare, workspace, pets.attack)

    assert "WARNING: attack badnets poisons none of the 200" in pets.run(poison, workspace, pets.attack)
