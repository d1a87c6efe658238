"""`reviews/rehearsals.jsonl`: what came of planting known triggers in a copy of the data. Meant for git.

A rehearsal trains in a workspace of its own (`asd.operations.rehearsal`); only its figures come
here. They are about pictures that we planted, never about samples of this workspace.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from asd import store
from asd.errors import DataError
from asd.layout import Cell, Layout
from asd.params import Workspace
from asd.step_lock import hold_step
from asd.steps import StepItem

WORKED = 0.5
"""Attack success without a defense from which on a trigger counts as working; below, nothing is shown."""

_MEND = "mend the line, or take the file back from git"


@dataclass(frozen=True)
class Rehearsal:
    """One line: one attack planted in a copy of one data set, with and without its defense.

    Attributes:
        at: when it was finished (UTC, ISO).
        dataset, defense, trial: of the production cell; its data are unplanted.
        attack: the attack's variant.
        fraction: share of the copy that was planted, 0 to 1.
        target: class that the trigger asks for; "" where there are several.
        data: SHA-256 (hex) of the manifest of the training data, which covers every byte.
        recipe: SHA-256 (hex) of the params that train and choose seeds.
        inputs: SHA-256 (hex) of all that the figures depend on, code included.
        samples: size of the copy.
        n: triggered test images that count.
        asr_none, asr_defense: attack success, 0 to 1.
        asr_base: share of the same images called so without the trigger, by the defended model.
        asr_interval: 95%, of `asr_defense`.
        planted: samples that carry the trigger.
        planted_called_suspect, rest_called_suspect: of those, and of the `rest`; None without verdicts.
        planted_in_final_pool: planted samples in the clean pool at the end.
        acc_name: `acc`, or `acc_untrusted` where nobody vouches for the test set.
        acc_none, acc_defense: under that name, 0 to 1.
        sentence: what is said of it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    at: str
    dataset: str
    defense: str
    trial: int
    attack: str
    fraction: float
    target: str
    data: str
    recipe: str
    inputs: str
    samples: int
    n: int
    asr_none: float
    asr_defense: float
    asr_base: float | None
    asr_interval: tuple[float, float] | None
    planted: int
    planted_called_suspect: int | None
    rest: int
    rest_called_suspect: int | None
    planted_in_final_pool: int | None
    acc_name: str
    acc_none: float | None
    acc_defense: float | None
    sentence: str

    @property
    def worked(self) -> bool:
        """Whether the trigger worked without a defense; if not, the defense had nothing to stop."""
        return self.asr_none >= WORKED

    @property
    def day(self) -> str:
        """The day on which it was finished (UTC)."""
        return time_of(self.at).astimezone(UTC).date().isoformat()

    def is_of(self, cell: Cell) -> bool:
        """Whether it rehearsed this production cell."""
        return (self.dataset, self.defense, self.trial) == (cell.dataset, cell.defense, cell.trial)


_ADAPTER = TypeAdapter(Rehearsal)


def read_rehearsals(layout: Layout) -> list[Rehearsal]:
    """The lines of the file, oldest first; none if there is no file.

    Raises:
        DataError: names the line that cannot be read.
    """
    path = layout.rehearsals
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8); {_MEND}") from error
    found = [_line(line, f"{path} line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    return sorted(found, key=lambda one: time_of(one.at))


def _line(line: str, where: str) -> Rehearsal:
    try:
        found = _ADAPTER.validate_json(line)
        if time_of(found.at).tzinfo is None:
            raise ValueError(f"at is {found.at!r}, wanted a time with its zone")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where} is no rehearsal: {place} {first['msg']}; {_MEND}") from error
    except ValueError as error:
        raise DataError(f"{where} is no rehearsal: {error}; {_MEND}") from error
    return found


def add_rehearsal(layout: Layout, one: Rehearsal) -> None:
    """Append a line, atomically."""
    with hold_step(layout, "rehearsals", StepItem("log")):  # two writers must not lose a line
        read_rehearsals(layout)  # a damaged file is not written to
        before = layout.rehearsals.read_bytes() if layout.rehearsals.exists() else b""
        line = json.dumps(asdict(one), sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
        with store.atomic_file(layout.rehearsals) as temporary:
            temporary.write_bytes(before + (b"\n" if before[-1:] not in (b"", b"\n") else b"") + line + b"\n")


def latest(found: Iterable[Rehearsal], cell: Cell) -> list[Rehearsal]:
    """The last rehearsal of a cell with each attack, by attack."""
    last = {one.attack: one for one in found if one.is_of(cell)}
    return [last[attack] for attack in sorted(last)]


def rehearsal_facts(workspace: Workspace, cell: Cell, now: datetime | None = None) -> list[dict[str, Any]]:
    """The last rehearsal of a cell with each attack as JSON, with its `age`, `days` and `changes`.

    None for a cell with an attack planted: its own figures say more.

    Raises:
        DataError: the file of rehearsals is damaged.
    """
    if workspace.params.attacks.get(cell.attack, {}).get("use", cell.attack) != "none":
        return []
    return [
        {
            **asdict(one),
            "day": one.day,
            "days": days_since(one.at, now),
            "age": age(one.at, now),
            "changes": changes(workspace, one),
        }
        for one in latest(read_rehearsals(workspace.layout), cell)
    ]


# -- what it depends on --------------------------------------------------------------------------


def can_rehearse(workspace: Workspace, cell: Cell) -> bool:
    """Whether rehearsals are possible: no attack in the data, a defense, seeds that people vouch for."""
    attack = workspace.plugin_name("attacks", cell.attack)
    defense = workspace.plugin_name("defenses", cell.defense)
    return attack == "none" and defense != "none" and workspace.params.seeds.of(cell.attack).use != "oracle"


def data_of(layout: Layout, dataset: str) -> str | None:
    """The fingerprint of the training data as fetched; None if they are not here."""
    from asd.shards.manifest import MANIFEST, read_manifest  # imports pyarrow

    folder = layout.fetched(dataset, "train")
    return read_manifest(folder).sha256 if (folder / MANIFEST).is_file() else None


def recipe_of(workspace: Workspace, cell: Cell) -> str:
    """The fingerprint of the params that train the cell and choose its seeds."""
    params = workspace.params
    shared = params.model_dump(mode="json", include={"random_seed", "seeds", "training", "model"})
    defense = _without_empty({**params.defenses[cell.defense], "use": None})
    plugin = workspace.plugin_name("defenses", cell.defense)
    return fingerprint({**shared, "defense": {"plugin": plugin, "params": defense}})


def fingerprint(value: Any) -> str:
    """SHA-256 (hex) of a value as sorted JSON."""
    return hashlib.sha256(store.json_bytes(value)).hexdigest()


def _without_empty(section: Any) -> Any:
    """A section without its empty parts, which `asd run` adds where they are missing."""
    if not isinstance(section, Mapping):
        return section
    parts = {str(key): _without_empty(value) for key, value in section.items()}
    return {key: value for key, value in parts.items() if value is not None and value != {}}


# -- words ---------------------------------------------------------------------------------------


def time_of(at: str) -> datetime:
    """The moment that a line names."""
    return datetime.fromisoformat(at)


def days_since(at: str, now: datetime | None = None) -> int:
    """Whole days from `at` until now; 0 for what is to come."""
    return max(0, ((now or datetime.now(UTC)) - time_of(at)).days)


def age(at: str, now: datetime | None = None) -> str:
    """`today`, `1 day ago`, `3 days ago`."""
    days = days_since(at, now)
    return "today" if days == 0 else "1 day ago" if days == 1 else f"{days} days ago"


def standing(workspace: Workspace, one: Rehearsal, now: datetime | None = None) -> str:
    """How old it is and what has changed since: `2026-11-22 (3 days ago; the data have changed since)`."""
    return f"{one.day} ({age(one.at, now)}; {changes(workspace, one)})"


def changes(workspace: Workspace, one: Rehearsal) -> str:
    """Whether it is about the data and the recipe as they are now."""
    data = data_of(workspace.layout, one.dataset)
    if data is None:
        return "the data are not here to compare"
    words = [] if data == one.data else ["data"]
    if one.defense not in workspace.params.defenses or recipe_of(workspace, _cell(one)) != one.recipe:
        words.append("params")
    return f"the {' and '.join(words)} have changed since" if words else "same data and params as now"


def _cell(one: Rehearsal) -> Cell:
    return Cell(one.dataset, "none", one.defense, one.trial)


def sentence(one: Mapping[str, Any]) -> str:
    """What a rehearsal showed, from the values of its other fields."""
    text = (
        "on your data, with a trigger that we planted: attack success "
        f"{share(one['asr_none'])} -> {share(one['asr_defense'])}"
    )
    if one["asr_base"] is not None:  # a weak model calls some pictures so without any trigger
        text += f" ({share(one['asr_base'])} without the trigger)"
    caught, rest = one["planted_called_suspect"], one["rest_called_suspect"]
    if caught is not None and rest is not None and one["planted"] and one["rest"]:
        text += (
            f"; {share(caught / one['planted'])} of the planted samples were called suspect, "
            f"{share(rest / one['rest'])} of the rest"
        )
    if one["asr_none"] < WORKED:
        text += "; the trigger hardly worked without a defense either, so this shows nothing"
    return text


def share(value: float) -> str:
    """0.973 -> `97%`; near the ends with a decimal, so that 0% is none and 100% is all."""
    if value in (0.0, 1.0):
        return f"{value:.0%}"
    whole = round(100 * value)
    if 1 <= whole <= 99:
        return f"{whole}%"
    return f"{min(max(100 * value, 0.1), 99.9):.1f}%"
