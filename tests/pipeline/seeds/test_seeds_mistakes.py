"""What newcomers get wrong with `asd seeds`: each mistake is answered in a line or two."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from asd.layout import Layout
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import read_index
from asd.sources import set_source

Change = Callable[[Any, Path], object]
CAT = ("--class", "cat", "--by", "Ada")
FETCHED = ("data", "fetched")


@dataclass(frozen=True)
class Mistake:
    """What somebody did to a workspace, the command, and what it must answer."""

    change: Change
    words: tuple[str, ...]
    code: int
    message: str


def nothing(kit: Any, root: Path) -> None:
    """The command itself is the mistake."""


def remove(*parts: str) -> Change:
    return lambda kit, root: shutil.rmtree(root.joinpath(*parts))


def edit(column: str, value: str, *, line: int = 1) -> Change:
    """Change one cell of a line (1: big owl, 2: cat, 3: dog) of the CSV."""

    def change(kit: Any, root: Path) -> None:
        file = Layout(root).trusted_seeds
        rows = list(csv.reader(io.StringIO(file.read_text())))
        rows[line][rows[0].index(column)] = value
        file.write_text("".join(",".join(row) + "\n" for row in rows))

    return change


def drop_line(number: int) -> Change:
    def change(kit: Any, root: Path) -> None:
        file = Layout(root).trusted_seeds
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(lines[:number] + lines[number + 1 :]))

    return change


def repeat_picture(kit: Any, root: Path) -> None:
    """The data gets a twin of a cat that is a seed, and somebody vouches for that, too."""
    layout = Layout(root)
    index = read_index(layout.fetched("imagefolder", "train"))
    [seed] = [row for row in read_trusted(layout.trusted_seeds) if row.label == "cat"]
    source = index.sources[index.keys.index(seed.key)]
    pictures = Path(shutil.copytree(root.parent / "pictures", root / "pictures2"))
    shutil.copy(pictures / source, pictures / "train" / "cat" / "twin.png")
    refetch(kit, root, pictures)
    known = set(index.keys)
    [twin] = [key for key in read_index(layout.fetched("imagefolder", "train")).keys if key not in known]
    with layout.trusted_seeds.open("a") as stream:
        stream.write(f"imagefolder,cat,{twin},{seed.content_sha256},Ada,2026-01-31\n")


def repaint(kit: Any, root: Path) -> None:
    """Every picture of the source becomes another one under the same name."""
    pictures = Path(shutil.copytree(root.parent / "pictures", root / "pictures2"))
    for i, file in enumerate(sorted(pictures.rglob("*.png"))):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(file)
    refetch(kit, root, pictures)


def refetch(kit: Any, root: Path, pictures: Path) -> None:
    set_source(Layout(root), "imagefolder", pictures)
    kit.step(root, "fetch")


def wrong_key(root: Path) -> str:
    """Key of a dog."""
    index = read_index(Layout(root).fetched("imagefolder", "train"))
    return index.keys[index.labels.tolist().index(2)]


MISTAKES = {
    "seeds of a class that is not there": Mistake(
        nothing, ("add", "--class", "Cat", "1", "--by", "Ada"), 2, r"no class 'Cat'; did you mean 'cat'\?"
    ),
    "seeds from the wrong class": Mistake(
        nothing, ("add", *CAT, "--key", "{dog}"), 2, "is labelled 'dog' in the data, not 'cat': add it with"
    ),
    "a number off the sheet": Mistake(
        nothing, ("add", *CAT, "3,11"), 2, r"class 'cat' has no number 11 \(it shows 10, 1 to 10\); `asd"
    ),
    "no number at all": Mistake(nothing, ("add", *CAT), 2, "which pictures\\? Give numbers from the sheet"),
    "a word for a number": Mistake(nothing, ("add", *CAT, "first"), 2, "'first' is no number of a picture"),
    "a key that is not there": Mistake(nothing, ("add", *CAT, "--key", "no"), 2, "has no sample 'no'"),
    "nobody who vouches": Mistake(nothing, ("add", "--class", "cat", "1"), 2, "Missing option '--by'"),
    "an empty name": Mistake(nothing, ("add", "--class", "cat", "1", "--by", " "), 2, "wanted your name"),
    "add before sheet": Mistake(remove("sheets"), ("add", *CAT, "1"), 2, "no sheet yet .*`asd seeds sheet`"),
    "add before fetch": Mistake(remove(*FETCHED), ("add", *CAT, "1"), 2, "not fetched yet: `asd seeds"),
    "check before fetch": Mistake(remove(*FETCHED), ("check",), 2, "not fetched yet: `asd seeds sheet` fet"),
    "a data set that is not listed": Mistake(
        nothing, ("check", "--dataset", "digits"), 2, "lists no data set 'digits'.*imagefolder"
    ),
    "a source that is not there": Mistake(
        nothing, ("sheet", "--source", "vendor"), 2, r"no source 'vendor'.*\(sources: train/vendor_a, train/"
    ),
    "a sheet of nothing": Mistake(nothing, ("sheet", "--per-class", "0"), 2, "--per-class"),
    "an edited first line": Mistake(edit("day", "when", line=0), ("check",), 3, "wanted the first line"),
    "an edited hash": Mistake(edit("content_sha256", "12"), ("check",), 3, "line 2: content_sha256 is '12'"),
    "an edited label": Mistake(edit("label", "cat"), ("check",), 3, "vouched for as 'cat' but labelled 'big"),
    "an edited key": Mistake(edit("key", "train_0"), ("check",), 3, "train_0 of .*no such sample in the"),
    "a class without seeds": Mistake(
        drop_line(1), ("check",), 3, "no seed for class 'big owl'.*`asd seeds add --class 'big owl' NUMBERS"
    ),
    "no seeds at all": Mistake(
        lambda kit, root: Layout(root).trusted_seeds.unlink(), ("check",), 3, "no seed for classes 'big"
    ),
    "a picture twice": Mistake(repeat_picture, ("check",), 3, "are the same picture; keep one of the lines"),
    "a changed picture": Mistake(repaint, ("check",), 3, "not the picture that was vouched for .*`asd seeds"),
    "numbers of a sheet of older data": Mistake(
        repaint, ("add", *CAT, "3"), 3, "is not the one on the sheet: the data has changed; make the sheets"
    ),
    "a damaged numbers file": Mistake(
        lambda kit, root: (root / "sheets" / "imagefolder" / "numbers.csv").write_text("x"),
        ("add", *CAT, "3"), 2, "was changed; `asd seeds sheet` makes it anew",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_in_a_line_or_two_and_adds_no_seed(
    kit: Any, workspace: Path, capsys: pytest.CaptureFixture[str], mistake: Mistake
) -> None:
    words = tuple(wrong_key(workspace) if word == "{dog}" else word for word in mistake.words)
    mistake.change(kit, workspace)
    file = Layout(workspace).trusted_seeds
    before = file.read_bytes() if file.exists() else None
    capsys.readouterr()

    code = kit.asd(workspace, *words)

    said = capsys.readouterr().err
    assert re.search(mistake.message, said), said
    assert said.startswith("asd: ")
    assert len(said.splitlines()) <= 2
    assert "bug" not in said
    assert code == mistake.code
    assert (file.read_bytes() if file.exists() else None) == before
