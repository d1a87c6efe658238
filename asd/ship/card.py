"""`MODEL_CARD.md` and `predict.py`: what a reader of the exported folder needs to know and to type."""

from __future__ import annotations

from collections.abc import Sequence

from asd.layout import Cell
from asd.metrics import WHY_UNTRUSTED
from asd.params import Workspace
from asd.ship.agreement import TOLERANCE, Agreement
from asd.ship.figures import Figure
from asd.ship.format import ONNX_FILE, WEIGHTS_FILE, ModelFacts
from asd.ship.provenance import Provenance, training_precision

STOPPED_BELOW = 0.1
"""Attack success up to which an attack counts as stopped where `gates.most_asr` sets no limit."""

_MOST_ROWS = 20

_SCRIPT = '''"""Print the class of each picture: python predict.py PICTURE..."""
import sys
from pathlib import Path

import asd

model = asd.load_model(Path(__file__).parent)
labels, probabilities = model.predict(sys.argv[1:])
for name, label, row in zip(sys.argv[1:], labels, probabilities):
    print(f"{name}\\t{model.class_names[label]}\\t{row[label]:.3f}")
'''

_ONNX_SCRIPT = '''"""Print the class of each picture: python predict.py PICTURE..."""
import json, sys
from pathlib import Path
import numpy, onnxruntime
from PIL import Image, ImageOps

here = Path(__file__).parent
facts = json.loads((here / "model.json").read_text())
session = onnxruntime.InferenceSession(str(here / "model.onnx"), providers=["CPUExecutionProvider"])
height, width = facts["image_size"]
for name in sys.argv[1:]:
    picture = ImageOps.exif_transpose(Image.open(name)).convert("L" if facts["channels"] == 1 else "RGB")
    picture = {resize}
    pixels = numpy.asarray(picture, numpy.uint8).reshape(1, height, width, -1).transpose(0, 3, 1, 2)
    probabilities, labels = session.run(None, {{"images": numpy.ascontiguousarray(pixels)}})
    print(f"{{name}}\\t{{facts['class_names'][labels[0]]}}\\t{{probabilities.max():.3f}}")
'''
_RESIZES = {
    "stretch": "picture.resize((width, height), Image.Resampling.BILINEAR)",
    "crop": "ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)",
    "center_crop": (
        "(lambda p, s: p.resize([s * a // min(p.size) for a in p.size], Image.Resampling.BILINEAR))"
        "(picture, round(width * 8 / 7))\n"
        "    left, top = (round((a - b) / 2) for a, b in zip(picture.size, (width, height)))\n"
        "    picture = picture.crop((left, top, left + width, top + height))"
    ),
}


def script(facts: ModelFacts, formats: Sequence[str]) -> str:
    """`predict.py`: with asd where the weights are there, else with onnxruntime alone."""
    return _SCRIPT if "safetensors" in formats else onnx_script(facts)


def onnx_script(facts: ModelFacts) -> str:
    """A script that needs onnxruntime, numpy and pillow only."""
    return _ONNX_SCRIPT.format(resize=_RESIZES.get(facts.resize.fit, _RESIZES["stretch"]))


def render_card(
    workspace: Workspace, cell: Cell, facts: ModelFacts, known: Provenance, agreement: Agreement
) -> str:
    """The whole card as Markdown; the same facts give the same bytes."""
    parts = [
        f"# {cell}\n\nLicence: (fill in; the data may ask for one)",
        _use(facts, agreement),
        _model(facts, agreement, training_precision(workspace, cell)),
        _data(workspace, cell, known),
        _measured(known),
        _attacks(workspace, known),
        _suspects(known),
        _gates(known),
    ]
    return "\n\n".join(parts) + "\n"


def _use(facts: ModelFacts, agreement: Agreement) -> str:
    lines = ["## Use"]
    channels, height, width = facts.image_shape
    if "safetensors" in agreement.largest:
        lines.append(
            "```python\nimport asd\n\n"
            'model = asd.load_model("DIR")  # this folder\n'
            f"labels, probabilities = model.predict(images)  # uint8, (N, {channels}, {height}, {width}) or "
            f"(N, {height}, {width}, {channels})\n"
            'labels, probabilities = model.predict(["photo.jpg"])  # files of any size\n'
            "names = [model.class_names[label] for label in labels]\n```\n\n"
            "`asd predict DIR photo.jpg` and `python predict.py photo.jpg` do the same."
        )
    if facts.onnx is not None:
        lines.append(
            f"With onnxruntime alone ({ONNX_FILE}, opset {facts.onnx.opset}; the input is uint8, "
            f"(N, {channels}, {height}, {width}), normalisation is inside):\n\n"
            f"```python\n{onnx_script(facts)}```"
        )
    return "\n\n".join(lines)


def _model(facts: ModelFacts, agreement: Agreement, precision: str) -> str:
    channels, height, width = facts.image_shape
    differences = ", ".join(f"{name} {apart:.1e}" for name, apart in agreement.largest.items())
    trained = f"\n- trained and measured in {precision}, shipped in float32" if precision != "float32" else ""
    return (
        "## Model\n\n"
        f"- network {facts.architecture.plugin}; input {width}x{height} pixels, "
        f"{'grey' if channels == 1 else 'RGB'}; pictures of another size: {facts.resize.fit}, "
        f"{facts.resize.filter}{trained}\n"
        f"- classes, in order: {', '.join(facts.class_names)}\n"
        f"- SHA-256 of the weights ({WEIGHTS_FILE}): `{facts.weights_sha256}`\n"
        f"- code: asd {facts.code['asd']}; hashes in model.json\n"
        f"- formats: the same class as the trained network on {agreement.images} held-out images; largest "
        f"difference of a probability: {differences} (limit {TOLERANCE:g})"
    )


def _data(workspace: Workspace, cell: Cell, known: Provenance) -> str:
    train = known.train
    attack = workspace.plugin_name("attacks", cell.attack)
    planted = "nothing" if known.overlay is None else f"attack {attack}, manifest `{known.overlay}`"
    if known.overlay is None and attack != "none":
        planted = f"nothing; attack {attack} says what came poisoned"
    seeds = "none: this defense takes no seeds"
    if known.seeds is not None:
        seeds = f"{known.seeds.count}, origin {known.seeds.origin}: {known.seeds.note}"
    return (
        "## Data\n\n"
        f"- training set {cell.dataset}: {train.count:,} samples, revision (SHA-256 of its manifest) "
        f"`{train.sha256}`\n"
        f"- labels: {'somebody vouches for them' if train.trusted else 'nobody vouches for them'}\n"
        f"- planted by us: {planted}\n"
        f"- sources: {_listing(known.sources)}\n"
        f"- seeds: {seeds}"
    )


def _listing(counts: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{name} ({count:,})" for name, count in counts[:_MOST_ROWS])
    more = len(counts) - _MOST_ROWS
    return (shown or "none") + (f" and {more:,} more" if more > 0 else "")


def _measured(known: Provenance) -> str:
    lines = ["## Accuracy", "", f"- {known.accuracy.name}: {_value(known.accuracy)}"]
    if known.accuracy.name == "acc_untrusted":
        lines.append(f"- it is called acc_untrusted because {WHY_UNTRUSTED}")
    if known.worst_class is not None:
        lines.append(f"- lowest of a class: {known.worst_class[0]}, {100 * known.worst_class[1]:.1f}%")
    return "\n".join(lines)


def _value(figure: Figure) -> str:
    if figure.value is None:
        return f"not measured ({figure.missing})"
    within = ""
    if figure.interval is not None:
        within = f", 95% interval {100 * figure.interval[0]:.1f}% to {100 * figure.interval[1]:.1f}%"
    n = "" if figure.n is None else f" (n {figure.n:,}{within})"
    return f"{100 * figure.value:.1f}%{n or within.replace(', ', ' (', 1) + (')' if within else '')}"


def _attacks(workspace: Workspace, known: Provenance) -> str:
    limit = workspace.params.gates.most_asr
    limit = STOPPED_BELOW if limit is None else limit
    lines = [
        "## Attacks",
        "",
        "ASR: share of triggered test images that go where the attacker wants. Each was measured on a model "
        "trained the same way on this data with that attack planted in it.",
    ]
    if known.success:
        lines += ["", "| attack | ASR | |", "|---|---|---|"]
        lines += [f"| {name} | {_value(f)} | {_word(f, limit)} |" for name, f in known.success.items()]
    stopped_not = [n for n, f in known.success.items() if f.value is not None and f.value > limit]
    lines += [
        "",
        f"- measured not to be stopped (ASR above {100 * limit:g}%): {', '.join(stopped_not) or 'none'}",
        f"- not measured: {', '.join([*known.untested, 'every other attack'])}",
    ]
    return "\n".join(lines)


def _word(figure: Figure, limit: float) -> str:
    if figure.value is None:
        return "not measured"
    return "stopped" if figure.value <= limit else "not stopped"


_NO_PROOF = (
    "all of this is a sign and no proof: classes that are learned late raise it, and a trigger that got "
    "into the clean pool early does not show"
)


def _suspects(known: Provenance) -> str:
    lines = ["## Suspects", "", f"- estimated share of poisoned samples: {_value(known.poisoned_share)}"]
    if known.verdicts is None or known.suspects is None:
        return "\n".join([*lines, "- verdicts: not measured (the audit gives none)"])
    verdicts = _listing(sorted(known.verdicts.items(), key=lambda pair: (-pair[1], pair[0])))
    return "\n".join(
        [
            *lines,
            f"- verdicts: {verdicts}",
            f"- suspects per class: {_listing(known.suspects.by_class)}",
            f"- suspects per source: {_listing(known.suspects.by_source)}",
            f"- {_NO_PROOF}",
        ]
    )


def _gates(known: Provenance) -> str:
    if not known.outcomes:
        return "## Gates\n\nNone are set."
    return "\n".join(["## Gates", "", *(f"- {outcome}" for outcome in known.outcomes)])
