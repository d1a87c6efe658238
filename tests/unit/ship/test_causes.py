"""Which drop a failed gate probably comes from; the shares are counted by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from asd import store
from asd.layout import Cell, Layout
from asd.ship.causes import likely_cause, suspects_by_group

CELL = Cell("drops", "none", "asd", 0)


def audited(root: Path, **drops: tuple[int, int]) -> Layout:
    """A table of samples; drop -> suspects, samples."""
    layout, verdicts, sources = Layout(root), [], []
    for name, (suspects, samples) in drops.items():
        verdicts += ["suspect"] * suspects + ["clean"] * (samples - suspects)
        sources += [f"acme/drop-{name[1:]}/red/{number}.png" for number in range(samples)]
    table = pa.table({"verdict": verdicts, "source": sources, "class_name": ["red"] * len(verdicts)})
    store.write_parquet(layout.audit_samples(CELL), table)
    return layout


def test_drop_that_stands_out_is_named_with_its_share(tmp_path: Path) -> None:
    layout = audited(tmp_path, d0001=(10, 500), d0002=(100, 250))
    assert likely_cause(layout, [CELL]) == (
        "likely cause: acme/drop-0002 with 100 suspects among 250 samples (40.0%), "
        "against 2.0% of the others (drops/none/asd/0)"
    )


def test_alike_drops_are_listed_and_none_is_blamed(tmp_path: Path) -> None:
    layout = audited(tmp_path, d0001=(5, 100), d0002=(6, 100))
    text = likely_cause(layout, [CELL])
    assert text.startswith("suspects per source: acme/drop-0002 with 6 suspects among 100 samples (6.0%), ")
    assert text.endswith("none stands out (drops/none/asd/0)")


def test_one_drop_alone_is_not_blamed(tmp_path: Path) -> None:
    assert "none stands out" in likely_cause(audited(tmp_path, d0001=(50, 100)), [CELL])


@pytest.mark.parametrize("suspects", [None, 0])
def test_without_verdicts_or_suspects_nothing_is_said(tmp_path: Path, suspects: int | None) -> None:
    layout = Layout(tmp_path) if suspects is None else audited(tmp_path, d0001=(0, 10))
    assert likely_cause(layout, [CELL]) == ""
    assert len(suspects_by_group(layout, CELL)) == (0 if suspects is None else 1)
