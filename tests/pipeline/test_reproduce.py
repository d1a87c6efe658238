"""Figures of the paper from a real run, tiny as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from asd.cli import app
from asd.errors import ParamsError
from asd.params import Workspace, load_workspace
from asd.reproduce import targets
from asd.reproduce_params import ReproduceParams, TargetParams
from asd.seeds import class_map

SECTION = ReproduceParams(
    preset="digits",
    dataset="digits",
    fig3=TargetParams(cells={"ASD": {"BadNets": "badnets/asd"}}),
    fig4=TargetParams(cells={"ASD": {"BadNets": "badnets/asd"}, "No defense": {"BadNets": "badnets/none"}}),
)


@pytest.fixture
def opened(finished: Any) -> Workspace:
    workspace = load_workspace(finished.root)
    return replace(workspace, params=workspace.params.model_copy(update={"reproduce": SECTION}))


def test_figure_3_has_four_panels_and_decides_by_the_first_meta_split(opened: Workspace) -> None:
    result = targets.produce(opened, "fig3")
    svg = result.pictures["fig3.svg"]
    assert all(f"({letter})" in svg for letter in "abcd")
    (claim,) = result.facts["claims"]
    assert claim["verdict"] in ("holds", "does not hold", "not decidable")
    assert "1 trial" in claim["because"]


def test_figure_4_ends_with_stage_2(opened: Workspace) -> None:
    """T2 is 6 for asd; the undefended model trains 4 epochs."""
    found = targets.entries(opened, "digits", SECTION.fig4 or TargetParams(cells={}))
    rows = targets.epoch_rows(opened.layout, found, "fig4")
    last = {row["variant"]: row["epoch"] for row in rows}
    assert last == {"ASD": 6, "No defense": 4}


def test_the_command_writes_pages_facts_and_pictures(finished: Any, tmp_path: Path) -> None:
    words = ["reproduce", "table1", "fig2", "--no-run", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*words, "--workspace", str(finished.root)])
    assert result.exit_code == 0, result.output
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["fig2.json", "fig2.md", "fig2.svg", "table1.json", "table1.md"]
    assert "| ASD | asd | fast |" in result.output


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be_is_refused_before_anything_runs(
    finished: Any, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["reproduce", "table1", "--out", str(tmp_path / place), "--workspace", str(finished.root)]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, ParamsError)
    assert "is a file; wanted is a folder" in str(result.exception)
    assert (tmp_path / "file").read_text() == "mine"


def test_the_plan_of_what_needs_no_cell_is_json_too(finished: Any) -> None:
    words = ["reproduce", "table1", "--dry-run", "--json", "--workspace", str(finished.root)]
    facts = json.loads(CliRunner().invoke(app, words).stdout)
    assert (facts["stages"], facts["stale"]) == (0, [])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_cells_are_run_once_and_a_second_call_runs_nothing(make_pipeline: Any) -> None:
    """The flow itself: what is missing is run, kept, and not run again."""
    pipeline = make_pipeline()
    params = pipeline.layout.params
    section = {"preset": "digits", "dataset": "digits", "fig4": SECTION.model_dump()["fig4"]}
    params.write_text(params.read_text() + yaml.safe_dump({"reproduce": section}))
    before = pipeline.command("asd", "reproduce", "fig4", "--dry-run")
    assert "stages are stale" in before.stdout
    assert not (pipeline.root / "results").exists()
    first = pipeline.command("asd", "reproduce", "fig4")
    assert first.returncode == 0, first.stdout
    assert "| ASD | BadNets |" in first.stdout
    page = (pipeline.root / "results" / "fig4.md").read_text()
    assert "not run" not in page
    assert (pipeline.root / "results" / "fig4.svg").stat().st_size > 1000
    second = pipeline.command("asd", "reproduce", "fig4")
    assert "nothing to do: all 14 stages are up to date" in second.stdout
    facts = json.loads((pipeline.root / "results" / "fig4.json").read_text())
    assert [row["states"] for row in facts["rows"]] == [["done"], ["done"]]
    assert (pipeline.root / "results" / "fig4.md").read_text() == page
    assert "nothing to do" in pipeline.command("asd", "reproduce", "fig4", "--dry-run").stdout


def test_a_class_map_that_asd_comes_with_is_found_and_ones_own_goes_first(tmp_path: Path) -> None:
    name = "cifar10_from_imagenet_close.csv"
    shipped = class_map.find_class_map(name, tmp_path)
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert len(class_map.read_class_map(shipped, classes)) == 109
    (tmp_path / name).write_text("name,class_name\n")
    assert class_map.find_class_map(name, tmp_path) == tmp_path / name
