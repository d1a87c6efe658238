from __future__ import annotations

import pytest

from flows._lines import Line, parse
from flows._screen import figures, title


def test_event_of_a_step_is_read() -> None:
    line = parse('@asd {"event": "progress", "done": 3, "total": 60, "step": "stage1"}\n')
    assert (line.kind, line.event["done"], line.event["total"]) == ("progress", 3, 60)


def test_broken_event_is_text() -> None:
    assert parse("@asd {oops") == Line("text", "@asd {oops")


def test_last_word_of_a_step_is_an_error() -> None:
    assert parse("asd: shard x is broken\n") == Line("error", "shard x is broken")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("Running stage 'audit@a-b-c-0':", "running"),
        ("Stage 'audit@a-b-c-0' is cached - skipping run, checking out outputs", "cached"),
        ("> exec asd step fetch --dataset digits", "noise"),
        ("Stage 'fetch@digits' didn't change, skipping", "noise"),
        ("To track the changes with git, run:", "noise"),
        ("", "noise"),
        ("ERROR: failed to reproduce 'fetch@digits': failed to run: x, exited with 2", "dvc_error"),
        ("something else", "text"),
    ],
)
def test_kind_of_a_line_of_dvc(raw: str, kind: str) -> None:
    assert parse(raw).kind == kind


def test_figures_of_a_progress_event() -> None:
    event = {"event": "progress", "step": "s", "label": "l", "done": 3, "total": 60, "unit": "epoch"}
    event |= {"loss": 0.123456, "pool": 450, "seconds_left": 12.4}
    assert figures(event) == "epoch 3/60  loss 0.1235  pool 450  12 s left"


def test_title_of_a_stage_reads_as_step_and_cell() -> None:
    assert title("stage1@digits-badnets-asd_uda-0") == "stage1 digits/badnets/asd_uda/0"
