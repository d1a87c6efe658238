"""In what form somebody's data lies: class folders, Parquet, WebDataset tars or a CSV of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from asd.datasets import webdataset
from asd.datasets._labels_file import columns_lacking, columns_of
from asd.datasets._parquet import split_files
from asd.errors import DataError, ParamsError
from asd.sources import source_files

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_ARCHIVES = (".zip", ".gz", ".tgz", ".xz", ".txz", ".bz2", ".tbz2", ".7z", ".rar", ".zst")
_TRAIN = ("train", "training")
_OTHER_PARTS = ("test", "testing", "val", "valid", "validation", "dev", "eval")


@dataclass(frozen=True)
class Form:
    """How to read some data.

    Attributes:
        plugin: the data set plug-in.
        source: what `asd source set` gets: the folder or file.
        words: the form in words.
        has_test: whether there is a test part.
        params: params of the plug-in that the form decides.
        notes: what a person should know of it.
    """

    plugin: str
    source: Path
    words: str
    has_test: bool
    params: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_form(data: Path, labels: Path | None = None) -> Form:
    """The form of what lies at `data`.

    Args:
        labels: a CSV of path and label inside the folder `data`.

    Raises:
        ParamsError: there is nothing, or a labels file outside the data.
        DataError: nothing there that can be read; says what was wanted.
    """
    data = data.expanduser().absolute()
    if not data.exists():
        raise ParamsError(f"--data: {data} does not exist")
    if labels is not None:
        return _labelled(data, labels.expanduser().absolute())
    if data.is_file():
        return _of_file(data)
    if split_files(data, "train"):
        test = bool(split_files(data, "test"))
        return Form("parquet", data, "Parquet files", has_test=test)
    files = list(source_files(data))
    if not files:
        raise DataError(f"{data} is an empty folder; wanted class folders, Parquet, WebDataset tars or a CSV")
    pictures = next((file for file in files if file.suffix.lower() in _PICTURES), None)
    found = _tables(data, files, pictures)
    if found is not None:
        return found
    unfit = _unfit_tables(data)
    if pictures is None:
        raise DataError(_no_picture(data, files) + _rename(unfit))
    try:
        form = _class_folders(data, files)
    except DataError as error:
        raise DataError(f"{error}{_rename(unfit)}") from error
    return replace(form, notes=(*form.notes, *(f"{words}, so it is not used" for words in unfit)))


def _unfit_tables(data: Path) -> list[str]:
    """What each CSV of a folder lacks to be its labels file, in words."""
    found = []
    for file in sorted(data.glob("*.csv")):
        if not file.name.startswith("."):
            lacks = columns_lacking(file) or "it cannot be read as CSV in UTF-8"
            found.append(f"{file.name} is no labels file: {lacks}")
    return found


def _rename(unfit: list[str]) -> str:
    return f"; {unfit[0]}; if it should be one, rename its columns" if unfit else ""


def _no_picture(data: Path, files: list[Path]) -> str:
    count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
    packed = next((file for file in files if file.suffix.lower() in _ARCHIVES), None)
    if packed is not None:
        return f"{data} holds {count} but no picture: unpack {packed.relative_to(data)}, and give the folder"
    return (
        f"{data} holds {count} but no picture (such as {files[0].relative_to(data)}); "
        f"wanted {', '.join(_PICTURES)} in class folders, Parquet, WebDataset tars or a CSV"
    )


def _of_file(data: Path) -> Form:
    ending = data.suffix.lower()
    if ending == ".parquet":
        return Form("parquet", data, "one Parquet file", has_test=False)
    if ending == ".tar":
        return Form("webdataset", data, "one WebDataset tar", has_test=False)
    if ending in (".csv", ".tsv", ".txt"):
        return _labelled(data.parent, data)
    cure = "unpack it and give the folder" if ending in _ARCHIVES else "give the folder that holds the data"
    raise DataError(f"{data} is a file, but neither .parquet, .tar nor .csv; {cure}")


def _labelled(data: Path, labels: Path) -> Form:
    if not labels.is_file():
        raise ParamsError(f"--labels: {labels} is no file")
    if not data.is_dir():
        raise ParamsError(f"--labels goes with a folder of pictures, but {data} is a file")
    if not labels.resolve().is_relative_to(data.resolve()):
        raise ParamsError(
            f"the labels file {labels} lies outside {data}; copy it into that folder, so that both are "
            "one source, and run again"
        )
    lacks = columns_lacking(labels)
    if lacks is not None:
        raise DataError(f"{labels} is no labels file: {lacks}; rename its columns")
    name = labels.resolve().relative_to(data.resolve()).as_posix()
    if any(part.startswith(".") for part in name.split("/")):
        raise ParamsError(f"the labels file {name} is hidden; names that start with a dot do not count")
    return Form("csv", data, f"a CSV of path and label ({name})", has_test=False, params={"labels": name})


def _tables(data: Path, files: list[Path], picture: Path | None) -> Form | None:
    """Tars, single Parquet files or labels files of a folder."""
    if picture is None and webdataset.all_tars(data):
        parts = [bool(webdataset.split_tars(data, split)) for split in ("train", "test")]
        return Form("webdataset", data, "WebDataset tars", has_test=all(parts))
    tables = [file for file in files if file.suffix == ".parquet"]
    if picture is None and len(tables) == 1:
        return Form("parquet", tables[0], f"one Parquet file ({tables[0].name})", has_test=False)
    if picture is None and tables:
        raise DataError(
            f"{data} holds {len(tables)} Parquet files, but none is named train.parquet or train-*.parquet; "
            "rename them, or give --data one of the files"
        )
    named = {file.name for file in data.glob("*.csv") if not file.name.startswith(".") and columns_of(file)}
    if {"train.csv", "test.csv"} <= named:
        return Form("csv", data, "CSVs of path and label (train.csv, test.csv)", has_test=True)
    if len(named) > 1:
        raise ParamsError(
            f"{data} holds several labels files: {', '.join(sorted(named))}; say which: --labels FILE"
        )
    return _labelled(data, data / named.pop()) if named else None


def _class_folders(data: Path, files: list[Path]) -> Form:
    folders = sorted({file.relative_to(data).parts[0] for file in files if file.parent != data})
    if not folders:
        raise DataError(
            f"{data} holds {len(files)} files but no class folders and no CSV of path and label; "
            "put the pictures of each class in a folder of its own, or give --labels FILE"
        )
    if {"train", "test"} <= set(folders):
        rest = sorted(set(folders) - {"train", "test"})
        notes = tuple(f"folder {name} lies beside train and test and is not read" for name in rest)
        return Form("imagefolder", data, "class folders in train and test", has_test=True, notes=notes)
    parts = {name for name in folders if name.lower() in (*_TRAIN, *_OTHER_PARTS)}
    train = sorted(name for name in parts if name.lower() in _TRAIN)
    if train:
        notes = tuple(
            f"folder {name} is not read; a test part must be named test, beside train"
            for name in sorted(set(folders) - {train[0]})
        )
        return Form(
            "imagefolder", data / train[0], f"class folders in {train[0]}", has_test=False, notes=notes
        )
    if len(folders) == 1:
        _refuse_one_folder(data, data / folders[0], files)
    return Form("imagefolder", data, "class folders", has_test=False)


def _refuse_one_folder(data: Path, only: Path, files: list[Path]) -> None:
    below = sorted(set(_second_parts(data, files)))
    hint = f"; did you mean --data {only}?" if len(below) > 1 else ""
    raise DataError(
        f"{data} holds one class folder only, {only.name!r}; a classifier needs two or more{hint}"
    )


def _second_parts(data: Path, files: list[Path]) -> Iterator[str]:
    for file in files:
        parts = file.relative_to(data).parts
        if len(parts) > 2:
            yield parts[1]
