"""What the numbers on the sheets stand for: `numbers.csv` beside them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.errors import ParamsError

FILE = "numbers.csv"
_COLUMNS = ["class", "number", "key", "content_sha256"]
_LONGEST_RANGE = 10_000


@dataclass(frozen=True)
class Shown:
    """A picture on a sheet: its class, its number there, its key and its content hash (hex)."""

    class_name: str
    number: int
    key: str
    content_sha256: str


def write_numbers(folder: Path, shown: Iterable[Shown]) -> None:
    """Write the file into `folder`, which exists."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((s.class_name, s.number, s.key, s.content_sha256) for s in shown)
    (folder / FILE).write_text(stream.getvalue(), encoding="utf-8")


def read_numbers(folder: Path) -> tuple[Shown, ...]:
    """What the sheets in `folder` show.

    Raises:
        ParamsError: no sheets there, or the file is not what `write_numbers` writes.
    """
    path = folder / FILE
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
        if rows[0] != _COLUMNS:
            raise ValueError(f"first line {rows[0]}")
        return tuple(Shown(name, int(number), key, content) for name, number, key, content in rows[1:])
    except FileNotFoundError as error:
        raise ParamsError("there is no sheet yet to take numbers from: `asd seeds sheet` makes it") from error
    except (ValueError, IndexError, csv.Error) as error:
        raise ParamsError(f"{path} was changed; `asd seeds sheet` makes it anew") from error


def pick(shown: Sequence[Shown], class_name: str, numbers: Sequence[int]) -> list[Shown]:
    """The pictures of a class with these numbers.

    Raises:
        ParamsError: a number that the sheet of the class does not show.
    """
    of_class = {s.number: s for s in shown if s.class_name == class_name}
    missing = [number for number in numbers if number not in of_class]
    if missing:
        there = f"it shows {len(of_class)}, {min(of_class)} to {max(of_class)}" if of_class else "it is empty"
        words = ", ".join(map(str, missing[:5])) + ("..." if len(missing) > 5 else "")
        raise ParamsError(
            f"the sheet of class {class_name!r} has no number {words} ({there}); "
            "`asd seeds sheet --per-class N` shows more"
        )
    return [of_class[number] for number in numbers]


def parse_numbers(words: Iterable[str]) -> list[int]:
    """The numbers in `3,7,12-15` and the like, ascending, each once.

    Raises:
        ParamsError: what is no number and no range from low to high.
    """
    found: set[int] = set()
    for part in ",".join(words).replace(" ", ",").split(","):
        if not part:
            continue
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high < low + _LONGEST_RANGE:
            raise ParamsError(f"{part!r} is no number of a picture; write them like 3,7,12 or 3-9")
        found.update(range(low, high + 1))
    return sorted(found)
