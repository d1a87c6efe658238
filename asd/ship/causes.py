"""What a failed gate probably comes from: the drop or source with more suspects than the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from asd import store
from asd.layout import Cell, Layout
from asd.metrics import wilson_interval
from asd.safe_text import safe_text
from asd.ship.figures import SUSPECT
from asd.source_groups import source_group

_SHOWN = 3


@dataclass(frozen=True)
class Share:
    """Suspects of a drop or another source, and those of all the others."""

    name: str
    suspects: int
    samples: int
    other_suspects: int
    other_samples: int

    @property
    def stands_out(self) -> bool:
        """Whether its share is above that of the others by more than chance (95% intervals apart)."""
        if not self.other_samples:
            return False
        low = wilson_interval(self.suspects, self.samples)[0]
        return low > wilson_interval(self.other_suspects, self.other_samples)[1]

    def __str__(self) -> str:
        text = f"{safe_text(self.name)} with {self.suspects:,} suspects among {self.samples:,} samples"
        return text + f" ({self.suspects / self.samples:.1%})"


def suspects_by_group(layout: Layout, cell: Cell) -> list[Share]:
    """Every drop or source of a cell's training data, the largest share of suspects first.

    Empty where the audit gives no verdicts.
    """
    import pyarrow.parquet as pq

    path = layout.audit_samples(cell)
    if not path.is_file() or "verdict" not in pq.read_schema(path).names:
        return []
    table = store.read_parquet(path, ["verdict", "class_name", "source"])
    groups = [
        source_group(source, name)
        for source, name in zip(table["source"].to_pylist(), table["class_name"].to_pylist(), strict=True)
    ]
    verdicts = table["verdict"].to_pylist()
    samples = Counter(groups)
    suspects = Counter(group for group, verdict in zip(groups, verdicts, strict=True) if verdict == SUSPECT)
    every, all_samples = sum(suspects.values()), len(groups)
    found = [
        Share(name, suspects[name], count, every - suspects[name], all_samples - count)
        for name, count in samples.items()
    ]
    return sorted(found, key=lambda one: (-one.suspects / one.samples, one.name))


def likely_cause(layout: Layout, cells: Sequence[Cell]) -> str:
    """One line on where the suspects of the first cell with verdicts come from; empty without any."""
    for cell in cells:
        groups = suspects_by_group(layout, cell)
        if not groups or not any(one.suspects for one in groups):
            continue
        first = groups[0]
        if first.stands_out:
            others = f"{first.other_suspects / first.other_samples:.1%} of the others"
            return f"likely cause: {first}, against {others} ({cell})"
        shown = ", ".join(map(str, groups[:_SHOWN]))
        return f"suspects per source: {shown}; none stands out ({cell})"
    return ""
