"""fetch leaves out what people confirmed as poisoned: by content, on record, never a whole class."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from asd.errors import DataError
from asd.exclusions import Exclusion, excluded, write_exclusions
from asd.params import Workspace, load_workspace
from asd.progress import Reporter
from asd.shards.manifest import read_index, read_manifest
from asd.shards.verify import verify_folder
from asd.sources import set_source
from asd.steps import StepItem, fetch
from asd.types import Excluded

_PARAMS = """
cells: {datasets: [toy], attacks: [none], defenses: [none]}
datasets: {toy: {use: imagefolder}}
attacks: {none: {}}
defenses: {none: {}}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two classes of three pictures; the first dog stands there twice under two names."""
    root, pictures = tmp_path / "w", tmp_path / "pictures"
    for part in ("train", "test"):
        for base, name in enumerate(("cats", "dogs")):
            (pictures / part / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", (5, 5), (i, 100 * base, 0)).save(pictures / part / name / f"{i}.png")
    Image.new("RGB", (5, 5), (0, 100, 0)).save(pictures / "train" / "dogs" / "same.png")
    root.mkdir()
    (root / "params.yaml").write_text(_PARAMS)
    found = load_workspace(root)
    set_source(found.layout, "toy", pictures)
    return found


def run(workspace: Workspace) -> str:
    said = io.StringIO()
    fetch.run(workspace, StepItem("toy"), Reporter("fetch", "toy", said))
    return said.getvalue()


def exclude(workspace: Workspace, *contents: str, dataset: str = "toy") -> None:
    write_exclusions(
        workspace.layout.exclusions, [Exclusion(dataset, one, "Ada", "2026-01-31", "") for one in contents]
    )


def content(workspace: Workspace) -> dict[str, str]:
    index = read_index(workspace.layout.fetched("toy", "train"))
    return dict(zip(index.sources, index.content, strict=True))


def test_every_copy_of_an_excluded_picture_goes_and_each_is_on_record(workspace: Workspace) -> None:
    assert "left out" not in run(workspace)
    folder = workspace.layout.fetched("toy", "train")
    plain, everything = (folder / "manifest.json").read_bytes(), content(workspace)
    assert excluded(workspace.layout, "toy") == []
    [first] = {sha for source, sha in everything.items() if source.endswith(("dogs/0.png", "dogs/same.png"))}
    exclude(workspace, first)
    said = run(workspace)
    assert "2 pictures are left out because somebody confirmed them as poisoned" in said
    assert "data/fetched/toy/train/excluded.json" in said
    verify_folder(folder)
    assert read_manifest(folder).count == 5
    assert set(everything) - set(content(workspace)) == {s for s, sha in everything.items() if sha == first}
    record = excluded(workspace.layout, "toy")
    assert [one.source.rsplit("/", 1)[-1] for one in record] == ["0.png", "same.png"]
    assert {(one.class_name, one.content_sha256) for one in record} == {("dogs", first)}
    assert isinstance(record[0], Excluded)
    assert read_manifest(workspace.layout.fetched("toy", "test")).count == 6  # the test set stays

    exclude(workspace)  # taken back: the bytes are those of before
    run(workspace)
    assert (folder / "manifest.json").read_bytes() == plain
    assert not (folder / "excluded.json").exists()


def test_who_and_why_do_not_change_the_bytes(workspace: Workspace) -> None:
    run(workspace)
    one = next(iter(content(workspace).values()))
    found = []
    for by, note in (("Ada", ""), ("Bob", "a white square")):
        write_exclusions(workspace.layout.exclusions, [Exclusion("toy", one, by, "2026-01-31", note)])
        run(workspace)
        found.append((workspace.layout.fetched("toy", "train") / "manifest.json").read_bytes())
    assert found[0] == found[1]


def test_a_line_that_matches_nothing_is_a_warning_that_says_why(workspace: Workspace) -> None:
    exclude(workspace, "f" * 64)
    said = run(workspace)
    assert "WARNING" in said
    assert f"{'f' * 64} (by Ada, 2026-01-31) takes nothing out" in said
    assert "the step poison made it" in said
    assert read_manifest(workspace.layout.fetched("toy", "train")).count == 7


def test_lines_of_another_data_set_do_not_count(workspace: Workspace) -> None:
    run(workspace)
    exclude(workspace, *set(content(workspace).values()), dataset="other")
    assert "takes nothing out" not in run(workspace)
    assert read_manifest(workspace.layout.fetched("toy", "train")).count == 7


def test_a_whole_class_is_not_taken_out(workspace: Workspace) -> None:
    run(workspace)
    before = content(workspace)
    exclude(workspace, *{sha for source, sha in before.items() if "cats" in source})
    with pytest.raises(
        DataError, match=r"takes out all 3 pictures of class 'cats' of toy: `asd audit confirm"
    ):
        run(workspace)
    assert content(workspace) == before  # the folder of before is still whole


def test_a_workspace_without_reviews_is_fetched_as_ever(workspace: Workspace) -> None:
    assert not workspace.layout.reviews.exists()
    run(workspace)
    assert read_manifest(workspace.layout.fetched("toy", "train")).count == 7


def test_a_damaged_record_is_found(workspace: Workspace) -> None:
    run(workspace)
    exclude(workspace, next(iter(content(workspace).values())))
    run(workspace)
    record = workspace.layout.fetched("toy", "train") / "excluded.json"
    record.write_text("[]")
    with pytest.raises(DataError, match=r"excluded\.json: its SHA-256 differs"):
        excluded(workspace.layout, "toy")
    with pytest.raises(DataError, match=r"excluded\.json: its SHA-256 differs"):
        verify_folder(record.parent)
    record.unlink()
    with pytest.raises(DataError, match=r"missing file .*excluded\.json"):
        verify_folder(record.parent)
