"""The drawing of the pipeline: who reads what of whom, and who reads the truth."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from asd.errors import ParamsError
from asd.reproduce.pipeline import draw, read_pipeline

SMALL = """
stages:
  poison:
    matrix: {attack: [a]}
    deps: [sources/x.json]
    outs: [data/set, data/truth/x.parquet]
  train:
    matrix: {attack: [a], trial: [0]}
    deps: [data/set]
    outs: [{data/model: {cache: false}}]
    metrics: [data/m.json]
  judge:
    deps: [data/m.json, data/model, data/truth/x.parquet]
"""


def test_edges_go_from_who_makes_to_who_reads(tmp_path):
    file = tmp_path / "dvc.yaml"
    file.write_text(SMALL)
    found = read_pipeline(file)
    assert found.steps == {"poison": ("attack",), "train": ("attack", "trial"), "judge": ()}
    assert set(found.edges) == {
        ("poison", "train", False),
        ("train", "judge", False),
        ("poison", "judge", True),
    }


def test_the_stages_of_a_defense_read_no_truth():
    found = read_pipeline(Path(__file__).parents[3] / "dvc.yaml")
    assert {reader for _, reader, truth in found.edges if truth} == {"seed", "evaluate", "audit"}


def test_the_drawing_names_every_step():
    found = read_pipeline(Path(__file__).parents[3] / "dvc.yaml")
    svg = draw(found, "fig2")
    texts = {element.text for element in ElementTree.fromstring(svg).iter() if element.text}
    assert set(found.steps) <= texts


@pytest.mark.parametrize("text", ["stages: [", "[]", "stages: 3", "{}"])
def test_what_is_no_pipeline_is_refused(tmp_path, text):
    (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(ParamsError, match="is no pipeline"):
        read_pipeline(tmp_path / "dvc.yaml")
