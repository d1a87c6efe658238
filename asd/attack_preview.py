"""What an attack does to the pictures of a data set, to be looked at before anything is trained."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asd import given, given_preview, planting, rng, store
from asd.attacks import Artifacts, GivenAttack, Preparation, PreparingAttack, TwoTriggerAttack
from asd.audit.pictures import fitted
from asd.errors import ParamsError, nearest
from asd.params import Variant, Workspace, check
from asd.picture_change import difference, strength
from asd.planting import Rows, Trigger
from asd.preview_part import Part
from asd.progress import Reporter
from asd.safe_text import drawable, safe_text
from asd.shards.read import open_view
from asd.steps import StepItem
from asd.steps.prepare import ARTIFACTS, is_current
from asd.types import DataView, Images

if TYPE_CHECKING:
    import torch
    from PIL import Image

MEASURED = 64
"""Pictures over which PSNR and SSIM are taken, at least; the first of them are shown."""

_LEAST_SIDE, _MOST_SIDE = 96, 192
_PAD, _LABEL, _NAME, _LINE = 8, 110, 18, 20
_TITLE = 18
_NOT_DRAWN = ("prepare", "count", "of")  # params that a sheet has no room for


@dataclass(frozen=True)
class Preview:
    """What one attack does to one data set.

    Attributes:
        name, plugin: the variant, and what it is a variant of.
        dataset: the data set.
        params: everything that it has, with the plug-in's defaults and the section `prepare`.
        parts: the training poison; the triggered test pictures too where they are made otherwise.
    """

    name: str
    plugin: str
    dataset: str
    params: dict[str, Any]
    parts: tuple[Part, ...]

    def as_json(self) -> dict[str, Any]:
        """The facts without the pictures."""
        return {
            "attack": self.name,
            "plugin": self.plugin,
            "dataset": self.dataset,
            "params": self.params,
            "parts": [part.as_json() for part in self.parts],
        }


def find_attack(workspace: Workspace, name: str) -> Variant:
    """The variant of `params.yaml`, else the plug-in of this name with its defaults.

    Raises:
        ParamsError: there is neither.
    """
    if name in workspace.params.attacks:
        return workspace.variant("attacks", name)
    registry = workspace.registry("attacks")
    known = sorted({*workspace.params.attacks, *registry.names()})
    if name not in known:
        raise ParamsError(f"no attack {name!r}{nearest(name, known)} (known: {', '.join(known)})")
    module = registry.get(name)
    return Variant(name, name, module, check(module.Params, {}, f"attacks.{name}"))


def preview(
    workspace: Workspace, dataset: str, attack: str, count: int, reporter: Reporter, *, train: bool = False
) -> Preview:
    """Stamp pictures of a fetched data set; nothing is written into the workspace but decoded pixels.

    Args:
        count: pictures shown, at most.
        train: let an attack that trains first do so in a temporary folder, unless it has been done.

    Raises:
        ParamsError: unknown attack or data set, the data are not fetched, the attack was not
            trained, or its params do not fit these data.
    """
    variant, view = find_attack(workspace, attack), _view(workspace, dataset, "train")
    artifacts = _artifacts(workspace, dataset, variant, view, reporter, train=train)
    if isinstance(variant.module, GivenAttack):
        parts = _given_parts(workspace, dataset, variant, view, artifacts, count)
        return Preview(attack, variant.plugin, dataset, variant.params.model_dump(mode="json"), parts)
    seed = workspace.params.poison_seed
    trigger = Trigger(attack, variant.module, variant.params, seed, view.class_count, artifacts)
    trigger.check_labels(view.class_names)
    planting.plan(trigger, view.index)  # says what is wrong with a rate
    parts = (_part(trigger, view, "train", count),)
    if isinstance(variant.module, TwoTriggerAttack):
        parts = (*parts, _part(trigger, _view(workspace, dataset, "test"), "test", count))
    return Preview(attack, variant.plugin, dataset, variant.params.model_dump(mode="json"), parts)


def _given_parts(
    workspace: Workspace, dataset: str, variant: Variant, view: DataView, artifacts: Artifacts, count: int
) -> tuple[Part, ...]:
    """Pictures of an imported set that came poisoned, and triggered test pictures."""
    name, module, params = variant.name, variant.module, variant.params
    roles, triggered = module.roles(artifacts, params), module.triggered(artifacts, params)
    if roles is None:
        raise ParamsError(f"attack {name} has no roles: nobody knows which pictures are poisoned")
    train, test = (workspace.layout.fetched(dataset, split) for split in ("train", "test"))
    truth = given.match_roles(name, roles, train, test, limited=params.limited).truth
    parts = given_preview.train_part(view, truth, count)
    if triggered is not None:
        tested = _view(workspace, dataset, "test")
        matched = given.match_test(name, triggered, tested.index)
        parts += given_preview.test_part(tested, matched, count)
    if not parts:
        raise ParamsError(f"attack {name}: no role is poisoned; there is nothing to show")
    return parts


def _view(workspace: Workspace, dataset: str, split: str) -> DataView:
    workspace.plugin_name("datasets", dataset)
    folder = workspace.layout.fetched(dataset, split)
    if not folder.is_dir():
        raise ParamsError(
            f"data set {dataset} is not fetched yet: `asd step fetch --dataset {dataset}` does it, as does "
            "`asd run` for a data set of the cells"
        )
    return open_view(folder, pixel_cache=workspace.layout.pixel_cache)


def _artifacts(
    workspace: Workspace, dataset: str, variant: Variant, view: DataView, reporter: Reporter, *, train: bool
) -> dict[str, torch.Tensor]:
    if not isinstance(variant.module, PreparingAttack | GivenAttack):
        return {}
    item = StepItem(dataset, variant.name)
    if variant.name in workspace.params.attacks and is_current(workspace, item, variant, view):
        return store.read_tensors(workspace.layout.prepared(dataset, variant.name) / ARTIFACTS)
    if not train and not isinstance(variant.module, GivenAttack):
        raise ParamsError(
            f"attack {variant.name} draws or trains something first, and nothing current lies in "
            "data/prepared: run a cell that has it, or give --train, which does it in a temporary folder"
        )
    work = "reads its files" if isinstance(variant.module, GivenAttack) else "draws or trains something first"
    reporter.say(f"attack {variant.name} {work}, in a temporary folder")
    folder = Path(tempfile.mkdtemp(prefix="asd-preview-"))
    try:
        seed = workspace.params.poison_seed
        preparation = Preparation(seed, reporter, folder / "scratch", workspace.layout.root)
        artifacts: dict[str, torch.Tensor] = variant.module.prepare(view, variant.params.prepare, preparation)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return artifacts


def _part(trigger: Trigger, view: DataView, split: str, count: int) -> Part:
    rows = _some_rows(trigger, view, split, max(count, MEASURED))
    stamped = dict(trigger.stamp(view, rows, split))
    clean = np.ascontiguousarray(view.images[rows])
    changed = np.stack([stamped[row] for row in rows.tolist()]) if len(rows) else clean
    found = strength(clean, changed)
    if not found.pictures:
        raise ParamsError(f"attack {trigger.name} changes no picture; there is nothing to show")
    labels = view.labels[rows[:count]]
    after = trigger.planted_labels(labels) if split == "train" else trigger.wanted_labels(labels)
    return Part(
        split,
        changed[:count],
        tuple(view.class_names[label] for label in labels.tolist()),
        tuple(view.class_names[label] for label in after.tolist()),
        clean[:count],
        difference(clean[:count], changed[:count]),
        found,
    )


def _some_rows(trigger: Trigger, view: DataView, split: str, count: int) -> Rows:
    """At most `count` rows that may be changed, class by class in turn; the same for the same data."""
    if split == "train":
        rows = planting.eligible_rows(trigger, view.index)
    else:
        rows = planting.triggered_rows(trigger, view)
    shuffled = rng.numpy_generator(trigger.poison_seed, "preview", split).permutation(rows)
    labels = view.labels[shuffled]
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        own = labels == label
        turn[own] = np.arange(own.sum())
    return shuffled[np.lexsort((labels, turn))][:count]


# -- drawing ------------------------------------------------------------------------------------


def draw(found: Preview) -> Image.Image:
    """One picture: rows clean, poisoned and difference of each part, with names and figures."""
    from PIL import Image, ImageDraw, ImageFont

    shown, side = _scale(found)
    rows = sum(len(_rows(part)) for part in found.parts)
    width = _LABEL + shown * (side + _PAD) + _PAD
    title, small = ImageFont.load_default(_TITLE), ImageFont.load_default(12)
    lines = _caption(found, width, small)
    height = 2 * _PAD + _TITLE + _LINE * len(lines) + rows * (side + _NAME + _PAD) + len(found.parts) * _LINE
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_PAD, _PAD), drawable(safe_text(f"{found.name} on {found.dataset}")), "black", title)
    top = 2 * _PAD + _TITLE
    for line in lines:
        pen.text((_PAD, top), line, "#555555", small)
        top += _LINE
    for part in found.parts:
        pen.text((_PAD, top), part.line(), "black", small)
        top += _LINE
        for name, pictures, names in _rows(part):
            for line_number, word in enumerate(name.split("\n")):
                pen.text((_PAD, top + side / 2 - 14 + 15 * line_number), word, "black", small)
            for place, picture in enumerate(pictures):
                left = _LABEL + place * (side + _PAD)
                sheet.paste(fitted(picture, side).convert("RGB"), (left, top))
                if names:
                    text = _cut(drawable(safe_text(names[place])), side, small)
                    pen.text((left, top + side + 1), text, "black", small)
            top += side + (_NAME if names else 0) + _PAD
    return sheet.crop((0, 0, width, top))


def _scale(found: Preview) -> tuple[int, int]:
    """How many pictures stand in a row, and the side that each gets."""
    longest = max(found.parts[0].changed.shape[2:])
    side = min(max(longest, _LEAST_SIDE), _MOST_SIDE)
    return max(len(part.changed) for part in found.parts), side


def _rows(part: Part) -> list[tuple[str, Images, tuple[str, ...]]]:
    changed = "poisoned" if part.split == "train" else "triggered"
    after = tuple(f"given as {name}" if part.split == "train" else f"wanted {name}" for name in part.after)
    if part.clean is None or part.apart is None:
        return [(changed, part.changed, after)]
    return [
        ("clean", part.clean, part.before),
        (changed, part.changed, after),
        (f"difference\nx {part.apart.factor:.1f}", part.apart.image, ()),
    ]


def _caption(found: Preview, width: int, font: Any) -> list[str]:
    words = [f"{key} {value}" for key, value in found.params.items() if key not in _NOT_DRAWN]
    words[0] = f"attack {found.plugin}: {words[0]}" if words else f"attack {found.plugin}"
    lines: list[str] = []
    for word in (drawable(safe_text(w)) for w in words):
        if lines and font.getlength(f"{lines[-1]}, {word}") <= width - 2 * _PAD:
            lines[-1] += f", {word}"
        else:
            lines.append(word)
    return lines


def _cut(text: str, width: int, font: Any) -> str:
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
