"""From a survey to params: bounds that hold for every data set, and what the hard cases get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from asd.layout import Layout
from asd.own_data.facts import Machine
from asd.own_data.forms import Form
from asd.own_data.recipe import Recipe, make_recipe
from asd.own_data.survey import Duplicates, Sizes, Survey
from asd.own_data.write_params import dataset_name, params_text
from asd.params import Workspace, parse_workspace
from asd.params_file import check_variants, set_params

CPU = Machine(cuda=False, bf16=True)
GPU = Machine(cuda=True, bf16=True)


def seen(counts: list[int], side: tuple[int, int] = (32, 32), **changes: Any) -> Survey:
    """A survey of class folders with so many training pictures a class, and a tenth of them as test part."""
    fields: dict[str, Any] = {
        "form": Form("imagefolder", Path("/data"), "class folders in train and test", has_test=True),
        "class_names": tuple(f"c{i}" for i in range(len(counts))),
        "counts": tuple(counts),
        "test_counts": tuple(max(1, n // 10) for n in counts),
        "held_out": {},
        "sizes": Sizes(side, side, side, (1.0, 1.0, 1.0), alike=True, tiny=0),
        "modes": {"RGB": sum(counts)},
        "grey": 0,
        "brightest": None,
        "unreadable": 0,
        "unreadable_places": (),
        "duplicates": Duplicates(),
    }
    return Survey(**{**fields, **changes})


def workspace_of(recipe: Recipe) -> Workspace:
    workspace = parse_workspace(Layout(Path("/w")), params_text(recipe))
    check_variants(workspace)
    return workspace


CASES = {
    "hundreds": [60, 55, 70],
    "smallest": [5, 45],
    "two classes": [400, 410],
    "imbalance": [4000, 300, 12],
    "digits": [144] * 10,
    "cifar10k": [1000] * 10,
    "cifar": [5000] * 10,
    "thousand classes": [40] * 1000,
    "million": [100_000] * 10,
}


@pytest.mark.parametrize("machine", [CPU, GPU], ids=["cpu", "gpu"])
@pytest.mark.parametrize("counts", CASES.values(), ids=CASES)
def test_a_recipe_is_valid_and_keeps_its_bounds(counts: list[int], machine: Machine) -> None:
    workspace = workspace_of(make_recipe(seen(counts), "toy", machine))
    asd = workspace.variant("defenses", "asd").params
    total, least = sum(counts), min(counts)
    assert asd.common.w < least
    assert asd.common.batch <= max(8, total / 8)
    growths = (asd.stage1.end - 1) // asd.stage1.t
    assert asd.stage1.n * growths <= max(1, 0.4 * least)
    for share, pools in ((asd.stage2.alpha, asd.stage2.pools), (asd.stage3.gamma, asd.stage3.pools)):
        assert len(counts) * pools.class_floor <= int(share * total)
        assert pools.class_floor <= least / 2
    assert asd.stage3.meta.snapshots * asd.stage3.meta.snapshot_every <= max(asd.stage3.meta.min_steps, 1)
    assert workspace.params.model.use == ("resnet18" if machine.cuda else "small_resnet")


def test_data_like_cifar10_cpu_get_nearly_its_preset() -> None:
    recipe = make_recipe(seen(CASES["cifar10k"]), "toy", CPU)
    preset = yaml.safe_load(Path("asd/presets/cifar10-cpu.yaml").read_text())["defenses"]["asd"]
    for section in ("common", "stage1", "stage2", "stage3"):
        for key, wanted in preset[section].items():
            if (section, key) == ("stage3", "pools"):
                continue  # the preset knows its classes to be equally large; see the bounds above
            got = recipe.value(f"defenses.asd.{section}.{key}")
            assert got == {"n": 50, "t": 5, "iterations": 391}.get(key, wanted), key
    assert recipe.value("model.stem_stride") == 1
    assert recipe.value("training.precision") == "bf16"


@pytest.mark.parametrize(("counts", "preset"), [("digits", "digits"), ("cifar10k", "cifar10-cpu")])
def test_an_undefended_twin_is_ready_as_in_the_preset(counts: str, preset: str) -> None:
    recipe = make_recipe(seen(CASES[counts]), "toy", CPU)
    wanted = yaml.safe_load(Path(f"asd/presets/{preset}.yaml").read_text())["defenses"]["none"]["stage1"]
    assert recipe.value("defenses.none.stage1") == wanted
    assert recipe.value("cells.defenses") == ["asd"]


def test_setting_a_param_changes_that_line_alone(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(params_text(make_recipe(seen([40] * 300), "toy", CPU)))
    changed = set_params(tmp_path, ["defenses.asd.stage3.gamma=0.6"])
    assert [line.split() for line in changed.splitlines() if line[0] in "+-"] == [
        ["-", "gamma:", "0.7"],
        ["+", "gamma:", "0.6"],
    ]


def test_grey_pictures_get_one_channel_and_sixteen_bits_a_note() -> None:
    counts = [100, 100]
    survey = seen(counts, (28, 28), modes={"I;16": 200}, grey=200, brightest=60_000)
    recipe = make_recipe(survey, "toy", CPU)
    assert recipe.value("datasets.toy.channels") == 1
    assert recipe.value("datasets.toy.image_size") == 28
    assert any("upper 8 bits" in note for note in recipe.notes)


def test_strong_imbalance_is_said_with_the_smallest_class() -> None:
    notes = make_recipe(seen(CASES["imbalance"]), "toy", CPU).notes
    assert any("strong imbalance: 4000" in note and "12 in 'c2'" in note for note in notes)


def test_many_classes_ask_for_fewer_seeds_each_and_a_wider_network() -> None:
    recipe = make_recipe(seen(CASES["thousand classes"]), "toy", CPU)
    assert recipe.value("defenses.asd.common.w") == 2
    assert recipe.value("model.widths") == [32, 64, 128]
    assert any("1000 classes" in note for note in recipe.notes)


@pytest.mark.parametrize(
    ("side", "machine", "wanted"),
    [
        ((8, 8), CPU, 16),
        ((20, 30), CPU, 20),
        ((640, 480), CPU, 32),
        ((640, 480), GPU, 64),
        ((40, 40), GPU, 32),
    ],
)
def test_the_size_follows_the_median_and_the_machine(
    side: tuple[int, int], machine: Machine, wanted: int
) -> None:
    assert make_recipe(seen([100, 100], side), "toy", machine).value("datasets.toy.image_size") == wanted


def test_a_test_part_that_is_held_out_is_taken_off_the_training_images() -> None:
    form = Form("imagefolder", Path("/data"), "class folders", has_test=False)
    survey = seen([100, 50], form=form, test_counts=None, held_out={0.1: (9, 5), 0.2: (25, 11)})
    recipe = make_recipe(survey, "toy", CPU)
    assert recipe.value("datasets.toy.held_out") == 0.2
    why = next(choice.why for choice in recipe.choices if choice.key == "datasets.toy.held_out")
    assert "36 images" in why
    assert recipe.value("defenses.asd.stage2.pools") == {"class_floor": int(0.15 * 39)}


# -- the text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Vendor Pictures (2024)", "vendor_pictures_2024"),
        ("2024", "set_2024"),
        ("no", "set_no"),
        ("null", "set_null"),
        ("seeds", "set_seeds"),
        ("--", "set"),
        ("Übung", "bung"),
        ("a" * 60, "a" * 40),
    ],
)
def test_a_folder_gives_a_legal_name(folder: str, name: str) -> None:
    assert dataset_name(folder) == name


@pytest.mark.parametrize(
    "names",
    [
        ("no", "yes", "null", "1.5", "on", "~"),
        ("a: b", "[x]", "it's", 'say "hi"', "# c", "new-york city " * 9),
        ("Käse", "猫", "{x}", "${y}", "\\n", "a,b"),
    ],
)
def test_names_that_yaml_would_misread_come_back_as_they_were(names: tuple[str, ...]) -> None:
    many = names + tuple(f"class number {i}-{i}" for i in range(200))
    recipe = make_recipe(seen([20] * len(many), class_names=many), "toy", CPU)
    assert tuple(workspace_of(recipe).params.datasets["toy"]["class_names"]) == many


def test_every_guess_has_its_reason_above_it() -> None:
    recipe = make_recipe(seen(CASES["digits"]), "toy", CPU)
    lines = params_text(recipe).splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == "image_size: 32")
    assert lines[at - 1].strip() == "# all pictures have this size"


def test_seeds_come_from_a_person_and_nothing_is_planted() -> None:
    params = workspace_of(make_recipe(seen(CASES["digits"]), "toy", CPU)).params
    assert (params.seeds.use, params.seeds.keys_file) == ("keys", "trusted.csv")
    assert (params.cells.attacks, params.cells.defenses, params.cells.trials) == (("none",), ("asd",), (0,))
