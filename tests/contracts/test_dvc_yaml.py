"""dvc.yaml against the code: the same steps, paths, dimensions and reads as asd has."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

import asd.steps
from asd import code_lock
from asd.layout import Layout
from asd.steps import DIMENSIONS, STEPS, StepItem

ROOT = Path(__file__).parent.parent.parent
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
WORDS = {"dataset": "d", "attack": "a", "defense": "f", "trial": 0}
LAYOUT = Layout(Path())
CELL = StepItem("d", "a", "f", 0).cell
TRAINING = ("stage1", "stage2", "stage3")


def item_of(step: str) -> StepItem:
    return StepItem(**{word: WORDS[word] for word in DIMENSIONS[step]})  # type: ignore[arg-type]


def filled(text: str) -> str:
    """The text with the item's words in place of the templates."""
    for word, value in WORDS.items():
        text = text.replace(f"${{item.{word}}}", str(value))
    assert "${" not in text
    return text


def listed(step: str, key: str) -> list[str]:
    return [filled(entry) for entry in STAGES[step].get(key, []) if isinstance(entry, str)]


def locked(step: str) -> list[str]:
    """What the stage depends on in asd.lock."""
    found = [entry["asd.lock"] for entry in STAGES[step]["params"] if isinstance(entry, dict)]
    assert len(found) == 1
    return [filled(entry) for entry in found[0]]


def test_the_stages_are_the_steps_in_order() -> None:
    assert tuple(STAGES) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_the_matrix_runs_over_the_dimensions_of_the_step(step: str) -> None:
    assert STAGES[step]["matrix"] == {word: f"${{cells.{word}s}}" for word in DIMENSIONS[step]}


@pytest.mark.parametrize("step", STEPS)
def test_the_command_is_the_step_and_nothing_that_differs_between_machines(step: str) -> None:
    options = " ".join(f"--{word} {WORDS[word]}" for word in DIMENSIONS[step])
    assert filled(STAGES[step]["cmd"]) == (
        f'ASD_PARENT=$PPID PATH="$PWD/.venv/bin:$PATH" exec asd step {step} {options}'
    )


def wanted_outs(step: str) -> set[Path]:
    stages = {f"stage{n}": {LAYOUT.stage(CELL, n), LAYOUT.timing(CELL, n)} for n in (1, 2, 3)}
    return {
        "fetch": {LAYOUT.fetched("d", "train"), LAYOUT.fetched("d", "test")},
        "prepare": {LAYOUT.prepared("d", "a")},
        "poison": {
            *(LAYOUT.poisoned("d", "a", part) for part in ("train", "test", "probe")),
            LAYOUT.truth("d", "a"),
            LAYOUT.probe_truth("d", "a"),
        },
        "seed": {LAYOUT.seed_set("d", "a", 0)},
        **stages,
        "evaluate": {LAYOUT.curves(CELL), LAYOUT.metrics(CELL)},
        "audit": {
            LAYOUT.audit_samples(CELL),
            LAYOUT.audit_neighbours(CELL),
            LAYOUT.audit_pools(CELL),
            LAYOUT.audit_report(CELL),
            LAYOUT.audit_report_facts(CELL),
        },
    }[step]


@pytest.mark.parametrize("step", STEPS)
def test_the_outs_are_those_of_the_layout(step: str) -> None:
    found = listed(step, "outs") + listed(step, "metrics")
    assert len(found) == len(set(found))
    assert {Path(out) for out in found} == wanted_outs(step)


def test_the_metrics_are_a_dvc_metric_that_is_cached() -> None:
    assert listed("evaluate", "metrics") == [str(LAYOUT.metrics(CELL))]


@pytest.mark.parametrize("step", STEPS)
def test_every_stage_has_a_dependency_or_the_run_cache_would_not_serve_it(step: str) -> None:
    assert listed(step, "deps")


@pytest.mark.parametrize("step", STEPS)
def test_what_a_stage_depends_on_was_made_by_an_earlier_one_or_by_a_person(step: str) -> None:
    earlier = {str(out) for before in STEPS[: STEPS.index(step)] for out in wanted_outs(before)}
    by_people = {"sources/d.json", "sources/seeds.json", "seeds", "reviews/exclusions.csv"}
    assert set(listed(step, "deps")) <= earlier | by_people


def test_fetch_and_seed_depend_on_what_people_wrote() -> None:
    assert listed("fetch", "deps") == [str(LAYOUT.source("d")), str(LAYOUT.exclusions)]
    assert {str(LAYOUT.seeds_by_people), str(LAYOUT.source("seeds"))} <= set(listed("seed", "deps"))


def test_seed_depends_on_the_test_split_which_seed_images_must_not_hold() -> None:
    assert {str(LAYOUT.fetched("d", split)) for split in ("train", "test")} <= set(listed("seed", "deps"))


def test_only_seed_evaluate_and_audit_read_the_truth() -> None:
    readers = [step for step in STEPS if any("truth" in dep for dep in listed(step, "deps"))]
    assert readers == ["seed", "evaluate", "audit"]


def test_nothing_depends_on_the_timing() -> None:
    assert [step for step in STEPS if any("timing" in dep for dep in listed(step, "deps"))] == []


@pytest.mark.parametrize("step", STEPS)
def test_a_stage_depends_on_the_code_that_it_runs(step: str) -> None:
    wanted = [f"{section}.{name}" for section, name in code_lock.entries(step, item_of(step))]
    assert locked(step) == wanted


@pytest.mark.parametrize("step", TRAINING)
def test_a_training_stage_depends_on_its_own_section_of_the_defense(step: str) -> None:
    sections = {param for param in listed(step, "params") if param.startswith("defenses.")}
    assert sections == {f"defenses.f.{part}" for part in ("use", "common", step)}


def test_prepare_depends_on_the_prepare_params_of_the_attack_alone() -> None:
    attack = {param for param in listed("prepare", "params") if param.startswith("attacks.")}
    assert attack == {"attacks.a.use", "attacks.a.prepare"}


# -- what the sources of the steps read ----------------------------------------------------------

SHARED = ("random_seed", "poison_seed", "seeds", "training", "model")


def read_by(step: str) -> set[str]:
    """The shared params that the step's file, and the underscore files it imports, name."""
    folder = Path(asd.steps.__file__).parent
    beside = {"seed": ("_transferred_seeds",), **dict.fromkeys(TRAINING, ("_training_stage",))}
    files = [folder / f"{name}.py" for name in (step, *beside.get(step, ()))]
    found: set[str] = set()
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Attribute):
            if node.attr == "model_variant":
                found.add("model")
            elif node.attr in SHARED and "params" in ast.unparse(node.value):
                found.add(node.attr)
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_step_reads_the_shared_params_that_its_stage_declares_and_no_others(step: str) -> None:
    declared = {param for param in listed(step, "params") if param in SHARED}
    assert read_by(step) == declared
