"""`reviews/seed_rejects.jsonl`: what people would not vouch for, so that nobody has to look twice. For git.

A picture with a wrong label cannot be a seed (docs/seeds.md): it is rejected, and the right class
stands beside it for whoever mends the source. Nothing else reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from asd.errors import DataError, ParamsError, nearest
from asd.layout import Layout
from asd.people import checked_name
from asd.seeds.adding import Added, check_class
from asd.seeds.recording import record
from asd.seeds.trusted import read_trusted, write_trusted
from asd.step_lock import hold_step
from asd.steps import StepItem
from asd.store import atomic_file
from asd.types import SampleIndex

_MEND = "mend the line, or take the file back from git"
_MOST_NOTE = 500


@dataclass(frozen=True, order=True)
class Rejected:
    """One line: somebody looked at this picture and does not vouch for it.

    Attributes:
        dataset: the data set's variant.
        label: class name as given in the data.
        key: of the sample in the training data.
        content_sha256: hash (hex) of the picture that was looked at.
        right_class: class name that it should have; "" where the label is not what is wrong.
        note: why, in one line; may be empty.
        by: who.
        day: when, `YYYY-MM-DD` (UTC).
    """

    dataset: str
    label: str
    key: str
    content_sha256: str
    right_class: str
    note: str
    by: str
    day: str


@dataclass(frozen=True)
class Training:
    """The training data of a data set as fetched, and who looks at it.

    Attributes:
        dataset: the data set's variant.
        class_names: its K names.
        index: its N samples.
        by: who.
    """

    dataset: str
    class_names: Sequence[str]
    index: SampleIndex
    by: str


def read_rejects(path: Path) -> tuple[Rejected, ...]:
    """The lines of the file, sorted; none if there is no file.

    Raises:
        DataError: names the line that cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8); {_MEND}") from error
    return tuple(sorted(_line(line, f"{path} line {n}") for n, line in enumerate(lines, 1) if line.strip()))


def _line(line: str, where: str) -> Rejected:
    try:
        found = Rejected(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} is not one of a rejected picture; {_MEND}") from error
    if not all(isinstance(value, str) for value in asdict(found).values()):
        raise DataError(f"{where}: every value must be a text; {_MEND}")
    if not re.fullmatch(r"[0-9a-f]{64}", found.content_sha256):
        raise DataError(f"{where}: content_sha256 is not 64 hex digits; {_MEND}")
    return found


def accept(layout: Layout, training: Training, key: str, content: str) -> Added:
    """Vouch for one picture as `asd seeds add` does; what was said against it is taken back.

    Raises:
        ParamsError: it cannot be a seed.
        DataError: the picture is not the one that was looked at.
    """
    row = _row(training, key, content)
    label = training.class_names[int(training.index.labels[row])]
    added = record(
        layout, training.dataset, training.class_names, training.index, label, (), (key,), training.by
    )
    with _held(layout):
        _write(layout.seed_rejects, _without(read_rejects(layout.seed_rejects), training.dataset, content))
    return added


def reject(
    layout: Layout, training: Training, key: str, content: str, right_class: str = "", note: str = ""
) -> Rejected:
    """Remember that somebody does not vouch for a picture; a seed that it was is one no longer.

    Args:
        right_class: the class that it should have, if the label is what is wrong.
        note: why.

    Raises:
        ParamsError: no such sample, no such class, or a note too long.
        DataError: the picture is not the one that was looked at.
    """
    by, note = checked_name(training.by), " ".join(note.split())
    if len(note) > _MOST_NOTE:
        raise ParamsError(f"the note has {len(note)} letters; {_MOST_NOTE} are the most")
    label = training.class_names[int(training.index.labels[_row(training, key, content)])]
    if right_class:
        check_class(right_class, training.class_names)
        if right_class == label:
            raise ParamsError(f"{key} is labelled {label!r} already; accept it if that is right")
    day = datetime.now(UTC).date().isoformat()
    line = Rejected(training.dataset, label, key, content, right_class, note, by, day)
    with _held(layout):
        others = _without(read_rejects(layout.seed_rejects), training.dataset, content)
        _take_back(layout, training.dataset, key)
        _write(layout.seed_rejects, [*others, line])
    return line


def withdraw(layout: Layout, training: Training, key: str, content: str) -> None:
    """Forget what was said of a picture, for and against.

    Raises:
        ParamsError: no such sample.
        DataError: the picture is not the one that was looked at.
    """
    _row(training, key, content)
    with _held(layout):
        _take_back(layout, training.dataset, key)
        _write(layout.seed_rejects, _without(read_rejects(layout.seed_rejects), training.dataset, content))


def _held(layout: Layout) -> AbstractContextManager[None]:
    return hold_step(layout, "seeds", StepItem("trusted"))


def _row(training: Training, key: str, content: str) -> int:
    try:
        row = training.index.keys.index(key)
    except ValueError:
        hint = nearest(key, training.index.keys) if len(training.index) < 10_000 else ""
        raise ParamsError(f"data set {training.dataset} has no sample {key!r}{hint}") from None
    if training.index.content[row] != content:
        raise DataError(
            f"the picture of {key} is not the one that was shown: the data has changed; look again"
        )
    return row


def _take_back(layout: Layout, dataset: str, key: str) -> None:
    before = read_trusted(layout.trusted_seeds)
    after = [row for row in before if (row.dataset, row.key) != (dataset, key)]
    if len(after) != len(before):
        write_trusted(layout.trusted_seeds, after)


def _without(rows: Iterable[Rejected], dataset: str, content: str) -> list[Rejected]:
    return [row for row in rows if (row.dataset, row.content_sha256) != (dataset, content)]


def _write(path: Path, rows: Sequence[Rejected]) -> None:
    """Write all lines, sorted, atomically; the last one taken back leaves an empty file."""
    if not rows and not path.exists():
        return
    with atomic_file(path) as temporary:
        lines = (json.dumps(asdict(row), sort_keys=True) + "\n" for row in sorted(rows))
        temporary.write_text("".join(lines), encoding="ascii")
