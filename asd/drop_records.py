"""What became of each data drop: `drops/NNNN.json`, a small file each, for git.

A drop exists when its record does; what lies in `data/drops/` without one was left by a killed
`asd drop add`. The data set `drops` is a pure function of these records and of the folders that
they name. Importing this module needs neither numpy nor pyarrow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from asd import store
from asd.errors import DataError, ParamsError
from asd.layout import Layout

Status = Literal["accepted", "held", "withdrawn"]
What = Literal["accept", "readmit", "withdraw", "restore"]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_FILE = re.compile(r"(\d{4,})\.json")
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Part:
    """A folder of pictures below `data/drops`: the drop's own, or one of pictures readmitted later.

    Attributes:
        folder: its name, such as `0001` or `0001-r1`.
        count: pictures in it.
        manifest_sha256: hash (hex) of its manifest.json, which covers every byte of it.
        order: its place in the data set, counted up from 1 as parts are taken in; 0 while the drop
            was never accepted. So whatever comes later stands behind, and moves nothing.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    folder: Annotated[str, Field(pattern=r"^\d{4,}(-r[1-9]\d*)?$")]
    count: Annotated[int, Field(ge=0)]
    manifest_sha256: Hash
    order: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Decision:
    """What a person decided about a drop; `key` names the picture or the reason of a readmission."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    at: str
    by: str
    what: What
    note: str = ""
    key: str | None = None


@dataclass(frozen=True)
class DropRecord:
    """One drop.

    Attributes:
        number: 1, 2, ...
        name: what people call it.
        source: whom it came from; never taken from the drop itself.
        sha256: hash (hex) of the whole input as sent.
        arrived: when, `YYYY-MM-DDTHH:MM:SSZ`.
        status: `accepted` (in the data set), `held` (waits for a person) or `withdrawn` (taken out).
        held_because: why it waits or waited, in words.
        files: files or rows that were judged.
        accepted, quarantined: how many passed, and how many did not, when it was judged.
        reasons: reason code -> refused files.
        flags: flag -> accepted pictures.
        classes: class name -> accepted pictures.
        unknown_classes: label as sent that is no class -> files.
        label_flips: pictures seen before under another label.
        parts: its folder of pictures first, then those of readmitted ones.
        decisions: what people decided, oldest first.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    number: Annotated[int, Field(ge=1)]
    name: str
    source: str
    sha256: Hash
    arrived: str
    status: Status
    held_because: tuple[str, ...]
    files: int
    accepted: int
    quarantined: int
    reasons: dict[str, int]
    flags: dict[str, int]
    classes: dict[str, int]
    unknown_classes: dict[str, int]
    label_flips: int
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    decisions: tuple[Decision, ...] = ()

    @property
    def manifest_sha256(self) -> str:
        """Hash (hex) of the drop's own manifest.json."""
        return self.parts[0].manifest_sha256

    @property
    def readmitted(self) -> int:
        """Pictures that people let in although the gate had refused them."""
        return sum(part.count for part in self.parts[1:])

    @property
    def pictures(self) -> int:
        """Pictures that it gives to the data set while it is accepted."""
        return sum(part.count for part in self.parts)


_ADAPTER = TypeAdapter(DropRecord)


def drop_name(number: int) -> str:
    """How a drop's folder and record are called: `0001`."""
    return f"{number:04d}"


def part_name(record: DropRecord, place: int = 1) -> str:
    """How the next folder of readmitted pictures is called (or the one so many places on): `0001-r1`."""
    numbers = (int(part.folder.partition("-r")[2]) for part in record.parts[1:])
    return f"{drop_name(record.number)}-r{max(numbers, default=0) + place}"


def now() -> str:
    """The time for a record (UTC)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_records(layout: Layout) -> list[DropRecord]:
    """Every drop, by number; none if there is no folder `drops`.

    Raises:
        DataError: a record is damaged.
    """
    numbers = [int(found[1]) for path in _files(layout) if (found := _FILE.fullmatch(path.name))]
    return [read_record(layout, number) for number in sorted(numbers)]


def _files(layout: Layout) -> Iterable[Path]:
    return layout.drop_records.iterdir() if layout.drop_records.is_dir() else ()


def read_record(layout: Layout, number: int) -> DropRecord:
    """One drop.

    Raises:
        ParamsError: there is no such drop.
        DataError: its record is damaged.
    """
    path = layout.drop_record(number)
    if not path.is_file():
        raise ParamsError(f"there is no drop {number}; `asd drop list` prints all")
    found = store.read_json(path)
    try:
        record = _ADAPTER.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path} is no record of a drop: {where} {first['msg']}") from error
    wanted = drop_name(number)
    if record.number != number or any(part.folder.partition("-")[0] != wanted for part in record.parts):
        raise DataError(f"{path} is the record of another drop; take the file back from git")
    return record


def write_record(layout: Layout, record: DropRecord) -> None:
    """Write the record, atomically: from then on the drop exists."""
    store.write_json(layout.drop_record(record.number), asdict(record))


def union(layout: Layout) -> list[DropRecord]:
    """The drops that make up the data set: accepted and not withdrawn, by number."""
    return [record for record in read_records(layout) if record.status == "accepted"]


def union_parts(records: Iterable[DropRecord]) -> Iterator[tuple[DropRecord, Part]]:
    """The folders of the accepted ones among the drops, in the order of the data set."""
    parts = [(r, part) for r in records if r.status == "accepted" for part in r.parts]
    yield from sorted(parts, key=lambda one: (one[1].order, one[1].folder))


def union_sha256(records: Iterable[DropRecord]) -> str:
    """Hash (hex) of all that the data set is made from, in its order; what its pointer in git says."""
    digest = hashlib.sha256()
    for record, part in union_parts(records):
        digest.update(f"{part.folder}\0{record.source}\0{part.manifest_sha256}\n".encode())
    return digest.hexdigest()


def next_order(records: Iterable[DropRecord]) -> int:
    """The place behind every part that was ever taken in."""
    return 1 + max((part.order for record in records for part in record.parts), default=0)
