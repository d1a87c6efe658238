"""How a training set stands with its seeds: what each class has and needs, and what is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from asd.errors import nearest
from asd.params import Workspace
from asd.seeds.trusted import Vouched
from asd.types import SampleIndex

_OTHERS = "take its line out of seeds/trusted.csv and pick another: `asd seeds sheet`"


@dataclass(frozen=True)
class Standing:
    """The seeds of one data set.

    Attributes:
        dataset: the data set's variant.
        need: seeds a class that the largest w of the listed defenses asks for; at least 1.
        have: class name -> number of seeds.
        problems: what must be mended before a run, each with what to do.
        warnings: what a run goes on with.
    """

    dataset: str
    need: int
    have: dict[str, int]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def seeds_needed(workspace: Workspace) -> int:
    """The largest w of the defenses that `cells` lists, at least 1."""
    variants = [workspace.variant("defenses", name) for name in workspace.params.cells.defenses]
    return max(1, *(int(variant.module.seeds_per_class(variant.params)) for variant in variants))


def unused(workspace: Workspace) -> str | None:
    """The command that makes runs use the picked seeds; None if they do already."""
    seeds, name = workspace.params.seeds, workspace.layout.trusted_seeds.name
    changes = []
    if seeds.use != "keys":
        changes.append("-S seeds.use=keys")
    if seeds.keys_file != name:
        changes.append(f"-S seeds.keys_file={name}")
    return f"asd run {' '.join(changes)}" if changes else None


def standing(
    rows: Sequence[Vouched], dataset: str, index: SampleIndex, class_names: Sequence[str], need: int
) -> Standing:
    """Compare the lines of `dataset` with its training data as fetched.

    Args:
        rows: what the file holds, of any data set.
        dataset: the data set's variant.
        index: its N training samples.
        class_names: K names.
        need: w.
    """
    own = [row for row in rows if row.dataset == dataset]
    have = {name: sum(row.label == name for row in own) for name in class_names}
    few = [f"{name!r} ({count})" for name, count in have.items() if 0 < count < need]
    warnings = []
    if few:
        warnings.append(f"fewer than {need} seeds for {_some(few)}; add more with `asd seeds add`")
    strangers = sorted({row.dataset for row in rows} - {dataset})
    if not own and strangers:
        warnings.append(f"seeds/trusted.csv holds seeds of {_some(strangers)} only, not of {dataset}")
    return Standing(dataset, need, have, tuple(problems(own, index, class_names)), tuple(warnings))


def problems(own: Sequence[Vouched], index: SampleIndex, class_names: Sequence[str]) -> list[str]:
    """What is wrong with the lines of one data set, a sentence for each kind of mistake."""
    row_of = {key: row for row, key in enumerate(index.keys)}
    known = [row for row in own if row.key in row_of]
    unknown = [row.key for row in own if row.key not in row_of]
    found = []
    if unknown:
        found.append(
            f"{_some(unknown)} of seeds/trusted.csv: no such sample in the data"
            f"{nearest(unknown[0], index.keys)}; {_OTHERS}"
        )
    changed = [row for row in known if row.content_sha256 != index.content[row_of[row.key]]]
    if changed:
        found.append(
            f"{_some([row.key for row in changed])}: not the picture that was vouched for (the source or "
            f"image_size changed); {_OTHERS}"
        )
    given = {row.key: class_names[int(index.labels[row_of[row.key]])] for row in known}
    found += [
        f"{row.key} is vouched for as {row.label!r} but labelled {given[row.key]!r} in the data; {_OTHERS}"
        for row in known
        if row.label != given[row.key]
    ][:1]
    return [*found, *_doubled(own), *no_seed_for(own, class_names)]


def _doubled(own: Sequence[Vouched]) -> list[str]:
    first: dict[str, str] = {}
    for row in own:
        before = first.setdefault(row.content_sha256, row.key)
        if before != row.key:
            return [
                f"{before} and {row.key} are the same picture; keep one of the lines in seeds/trusted.csv"
            ]
    return []


def no_seed_for(own: Sequence[Vouched], class_names: Sequence[str]) -> list[str]:
    """Which classes have no seed, in a sentence with what to do; nothing where all have one."""
    present = {row.label for row in own}
    missing = [name for name in class_names if name not in present]
    if not missing:
        return []
    many = "class" if len(missing) == 1 else "classes"
    return [
        f"no seed for {many} {_some([repr(name) for name in missing])}: look at `asd seeds sheet`, then "
        f"`asd seeds add --class {shlex.quote(missing[0])} NUMBERS --by NAME`"
    ]


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
