"""A class map: which class of another data set stands for which class here; a CSV below seeds/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.csv_lines import read_lines
from asd.errors import DataError, ParamsError, nearest

_SHIPPED = Path(__file__).parent / "class_maps"
_MEND = "mend the line"


@dataclass(frozen=True, order=True)
class Mapped:
    """One line.

    Attributes:
        name: of a class there, such as `n02123045`.
        class_name: of the class here, such as `cat`.
    """

    name: str
    class_name: str


def find_class_map(name: str, folder: Path) -> Path:
    """The file that `seeds.transfer.class_map` names: below `folder`, else one that asd comes with.

    Raises:
        ParamsError: it leads out of the folder.
    """
    own = folder / name
    if folder.resolve() not in own.resolve().parents:
        raise ParamsError(f"seeds.transfer.class_map: wanted a file below seeds/, got {name!r}")
    shipped = {file.name: file for file in _SHIPPED.glob("*.csv")}
    return shipped.get(name, own) if not own.exists() else own


def check_class_map(name: str | None, folder: Path) -> None:
    """Check that there is such a file, before anything runs; what is in it can be told with the data.

    Raises:
        ParamsError: there is none.
    """
    if name is not None and not find_class_map(name, folder).is_file():
        shipped = ", ".join(sorted(file.name for file in _SHIPPED.glob("*.csv")))
        raise ParamsError(
            f"seeds.transfer.class_map: no file seeds/{name}; write lines name,class_name into it, or take "
            f"one that asd comes with: {shipped}"
        )


def read_class_map(path: Path, class_names: Sequence[str]) -> Mapping[str, str]:
    """Class there -> class here.

    Raises:
        DataError: no such file, not such a CSV, a name twice, a class that is not one of
            `class_names`, or a class that no name stands for.
    """

    def check(row: Mapped) -> None:
        if not row.name.strip():
            raise ValueError("name is empty")
        if row.class_name not in class_names:
            raise ValueError(
                f"class_name is {row.class_name!r}, which is no class of the data set"
                f"{nearest(row.class_name, class_names)}"
            )

    if not path.is_file():
        raise DataError(f"missing file {path}; write lines name,class_name into it")
    rows = read_lines(path, Mapped, same=lambda row: (row.name, row.name), check=check, mend=_MEND)
    empty = [name for name in class_names if name not in {row.class_name for row in rows}]
    if empty:
        raise DataError(f"{path}: no line stands for {', '.join(map(repr, empty))}; every class needs seeds")
    return {row.name: row.class_name for row in rows}
