"""Choices of the sections `datasets`, `training` and `model`: (key in the section, value, why)."""

from __future__ import annotations

from typing import Any

from asd.own_data.facts import Facts
from asd.own_data.survey import Survey

SIDE = 32
"""The side in pixels at which the presets were measured."""
_MANY_CLASSES = 50


def dataset_choices(survey: Survey, facts: Facts) -> list[tuple[Any, ...]]:
    size, median = facts.image_size, "x".join(map(str, survey.sizes.median)) if survey.sizes else ""
    if facts.asked:
        why_size = "as you asked"
    elif survey.sizes and survey.sizes.alike and size == min(survey.sizes.median):
        why_size = "all pictures have this size"
    elif survey.sizes and size > min(survey.sizes.median):
        why_size = f"the median is {median}; smaller pictures are enlarged, the network needs some room"
    else:
        why_size = (
            f"the median is {median}; detail smaller than a pixel at this size is lost, and "
            "time grows with the square: `asd init --image-size S` takes another"
        )
    found: list[tuple[Any, ...]] = [
        ("use", survey.form.plugin, f"{survey.form.words} were found"),
        *((key, value) for key, value in survey.form.params.items()),
        ("class_names", list(survey.class_names), "label 0, 1, ... in this order; as found, sorted"),
        ("image_size", size, why_size),
        ("channels", 1 if facts.grey else 3, "all pictures are grey" if facts.grey else "there is colour"),
        ("fit", "stretch", "keeps every part of a picture; crop keeps the middle and the aspect"),
        ("trusted", False, "nobody vouches for the labels as they came"),
    ]
    if facts.held_out:
        why = f"no test part was found; {facts.test_count} images, drawn by content, are never trained on"
        found.append(("held_out", facts.held_out, why))
    if survey.unreadable:
        why = f"{survey.unreadable} files cannot be read; each will be named with its reason in left_out.json"
        found.append(("unreadable", "leave_out", why))
    return found


def training_choices(facts: Facts) -> list[tuple[Any, ...]]:
    bf16 = not facts.small and not facts.machine.cuda and facts.machine.bf16
    why = (
        "this processor is fast at it"
        if bf16
        else "as published"
        if facts.machine.cuda
        else "exact, and fast enough"
    )
    found: list[tuple[Any, ...]] = [
        ("precision", "bf16" if bf16 else "float32", why),
        ("augment.pad", max(1, facts.image_size // 8), "random crops shift by an eighth of the side"),
        ("augment.pad_mode", "zero" if facts.grey else "reflect"),
        (
            "augment.flip",
            False,
            "text and signs change when mirrored; true is better where left and right are alike",
        ),
        ("score_augmented", True),
        ("probe_every", 1),
    ]
    if not facts.machine.cuda:
        found.append(("threads", 1 if facts.small else 2, "a small network is fastest with few"))
    return found


def model_choices(facts: Facts) -> list[tuple[Any, ...]]:
    if facts.machine.cuda:
        return [("use", "resnet18", "the network of the paper; this machine has a GPU")]
    classes = len(facts.counts)
    many = classes > _MANY_CLASSES
    stem, strides = (1, [2, 2, 2]) if facts.image_size == SIDE and not facts.grey else (2, [1, 2, 2])
    if facts.image_size > SIDE:
        stem, strides = 2, [2, 2, 2]
    return [
        ("use", "small_resnet", "a network for few processor cores; resnet18 is for a GPU"),
        (
            "widths",
            [32, 64, 128] if many else [16, 32, 64],
            f"{classes} classes need more than the 64 features of the small form" if many else "",
        ),
        ("stem_stride", stem),
        (
            "strides",
            strides,
            f"of the three stages; the last map is {facts.image_size // _product(stem, strides)} wide",
        ),
    ]


def _product(stem: int, strides: list[int]) -> int:
    for stride in strides:
        stem *= stride
    return stem
