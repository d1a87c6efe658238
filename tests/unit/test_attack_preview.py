"""`asd attack preview`: what it shows, what it says, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image

from asd import attack_preview
from asd.attack_preview import draw, preview
from asd.cli import main
from asd.errors import ParamsError
from asd.new_workspace import create
from asd.params import load_workspace
from asd.params_file import set_params
from asd.progress import Reporter
from asd.readiness import make_ready
from asd.registry import step_module
from asd.steps import StepItem

TRAINING = """
from asd.attacks._labels import NothingToPrepare, TargetParams
from asd.attacks._labels import outside_target as counts_for_asr
from asd.attacks._labels import to_target as relabel

changes_labels = True


class Params(TargetParams):
    prepare: NothingToPrepare = NothingToPrepare()


def prepare(train, params, preparation):
    import torch

    preparation.reporter.say("trained")
    return {"by": torch.tensor([9], dtype=torch.uint8)}


def stamp(images, keys, artifacts, params, rng):
    return images.clone().clamp(max=200) + artifacts["by"]


def stamp_test(images, keys, artifacts, params, rng):
    return images.clone().clamp(max=200) + 2 * artifacts["by"]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A workspace with 60 digits fetched, and an attack of its own that trains first."""
    root = create(tmp_path_factory.mktemp("preview") / "w", "digits").root
    (root / "plugins" / "attacks").mkdir(parents=True)
    (root / "plugins" / "attacks" / "trained.py").write_text(TRAINING)
    few = ["datasets.digits.limit=60", "datasets.digits.limit_test=20"]
    set_params(root, [*few, "attacks.trained.use=trained", "cells.attacks=[badnets, trained]"])
    make_ready(root)
    step_module("fetch").run(load_workspace(root), StepItem("digits"), Reporter("fetch", "x"))
    return root


def look(root, attack, count=3, **more):
    return preview(load_workspace(root), "digits", attack, count, Reporter("preview", "x"), **more)


def test_a_patch_is_all_that_differs(root):
    (part,) = look(root, "badnets").parts
    apart = part.changed.astype(int) - part.clean
    where = np.zeros((16, 16), bool)
    where[2:4, 2:4] = True
    assert not apart[:, 0, ~where].any()
    assert (part.changed[:, 0, where] == 255).all()
    assert set(part.after) == {"3"}
    assert "3" not in part.before
    assert part.strength.pictures == 54  # 60 of ten classes without those of class 3


def test_a_clean_label_attack_shows_its_own_class(root):
    (part,) = look(root, "sig").parts
    assert set(part.before) == set(part.after) == {"3"}


def test_its_json_holds_every_param_and_its_sheet_the_short_ones(root, monkeypatch):
    blend = look(root, "blend", train=True)
    assert blend.as_json()["params"] == {
        "target_label": 3,
        "poison_fraction": 0.05,
        "of": "data",
        "count": "exact",
        "alpha": 0.1,
        "prepare": {"picture": None, "picture_sha256": None},
    }
    drawn = []
    monkeypatch.setattr(attack_preview, "drawable", lambda text: drawn.append(text) or str(text))
    draw(blend)
    assert drawn[:3] == ["attack blend: target_label 3", "poison_fraction 0.05", "alpha 0.1"]


def test_it_is_the_same_each_time(root):
    first, second = (np.asarray(draw(look(root, "badnets"))) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_picture_holds_the_rows_enlarged_without_smoothing(root):
    found = look(root, "badnets")
    sheet = np.asarray(draw(found))
    large = found.parts[0].changed[0, 0].repeat(6, axis=0).repeat(6, axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(sheet[:, 110:206, 0], 96, axis=0)
    assert sum(np.array_equal(window.T, large) for window in windows) == 1


def test_an_attack_that_trains_needs_leave_or_a_current_preparation(root, capsys):
    with pytest.raises(ParamsError, match=r"attack trained draws or trains something first.*--train"):
        look(root, "trained")
    train, test = look(root, "trained", train=True).parts
    assert (train.split, test.split) == ("train", "test")
    # white, 255, is cut to 200, and 9 or 18 added
    assert (train.apart.largest, test.apart.largest) == (255 - 209, 255 - 218)
    assert "in a temporary folder" in capsys.readouterr().out
    assert not (root / "data" / "prepared").exists()

    step_module("prepare").run(load_workspace(root), StepItem("digits", "trained"), Reporter("prepare", "x"))
    look(root, "trained")
    set_params(root, ["poison_seed=1"])  # what was prepared came from another seed
    with pytest.raises(ParamsError, match="nothing current"):
        look(root, "trained")
    set_params(root, ["poison_seed=0"])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["badnet", "--dataset", "digits"], "no attack 'badnet'; did you mean 'badnets'"),
        (["badnets", "--dataset", "digit"], "no datasets.digit; did you mean 'digits'"),
        (["none", "--dataset", "digits"], "attack none changes no picture"),
        (["iab", "--dataset", "digits"], "attack iab draws or trains something first"),
        (["badnets", "--dataset", "digits", "--out", "a.gif"], "wanted is a name that ends in .png"),
        (["badnets", "--dataset", "digits", "--out", "params.yaml.png"], "is there already"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(root, monkeypatch, capsys, words, problem):
    monkeypatch.chdir(root)
    (root / "params.yaml.png").write_text("mine")
    before = sorted(root.iterdir())
    assert main(["attack", "preview", *words, *([] if "--out" in words else ["--out", "new.png"])]) == 2
    said = capsys.readouterr()
    assert problem in said.err
    assert said.err.count("\n") == 1
    assert sorted(root.iterdir()) == before
    assert (root / "params.yaml.png").read_text() == "mine"


def test_data_that_are_not_fetched_are_named(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    assert main(["attack", "preview", "badnets", "--dataset", "digits", "--out", "a.png"]) == 2
    assert "data set digits is not fetched yet: `asd step fetch --dataset digits`" in capsys.readouterr().err


def test_the_command_writes_a_png_and_prints_the_facts(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    out = tmp_path / "a.png"
    assert main(["attack", "preview", "badnets", "--dataset", "digits", "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parts"][0]["magnified"] == pytest.approx(255 / facts["parts"][0]["largest_difference"])
    assert facts["parts"][0]["before"] == [*"01245678"]
    with Image.open(out) as picture:
        assert picture.format == "PNG"
