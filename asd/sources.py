"""Where a data set comes from.

In git: `sources/<dataset>.json`, the hash of the content and nothing else, on which `fetch`
depends. Of this machine only: the location, in `.asd/sources.yaml` or in the environment
variable `ASD_SOURCE_<DATASET>`, which wins. `<dataset>.test` is a test set beside the data; its
pointer stands as `test` in that of the data set, so that `fetch` depends on both. The pointer of a
data set made from drops says which drops: it follows from the records in `drops/`.

A data set that takes a part of a larger folder says which files; only they are hashed, and
`sources/<dataset>.files.csv` names each of them, so that a changed one can be named.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from asd import store
from asd.csv_lines import read_lines, write_lines
from asd.drop_records import read_records, union_sha256
from asd.errors import DataError, ParamsError
from asd.layout import Layout
from asd.params import NAME_PATTERN

TEST = ".test"  # after a data set's name: the test set that somebody vouches for
SEEDS = "seeds"  # not a data set: trusted seed images outside the training set
_EMBEDDED = {"content_sha256": None, "kind": "embedded"}
DROPS = "drops"
_KINDS = ("folder", "file", "url", "embedded", DROPS)


Files = Callable[[Path], Iterable[Path]]
"""The files of a folder that count, sorted by relative name."""


@dataclass(frozen=True, order=True)
class ListedFile:
    """A file of a folder, by its relative name, and its hash (hex)."""

    path: str
    sha256: str


def set_source(
    layout: Layout,
    dataset: str,
    location: str | Path,
    sha256: str | None = None,
    files: Files | None = None,
) -> dict[str, Any]:
    """Write the pointer and the location of `dataset`; returns the pointer.

    Args:
        location: a folder, a file or an http(s) address; relative paths count from here.
        sha256: the declared hash (hex) of what an address gives.
        files: those that the data set takes from a larger folder; None: all.

    Raises:
        ParamsError: a bad name or hash, or there is nothing at the location.
    """
    name, is_test = dataset.removesuffix(TEST), dataset.endswith(TEST)
    if not re.fullmatch(NAME_PATTERN, name):
        raise ParamsError(f"bad data set name {dataset!r}: wanted lower-case letters, digits and '_'")
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ParamsError(f"bad SHA-256 {sha256!r}: wanted 64 lower-case hex digits")
    place = _place(str(location))
    if isinstance(place, Path) and not place.exists():
        raise ParamsError(f"source {place} of data set {dataset} does not exist")
    listed = _listed(place, files)
    pointer = describe(place) if listed is None else _pointer(listed)
    if is_test and isinstance(place, str):
        raise ParamsError(f"the test set of {name} must lie on this machine; got the address {place}")
    if isinstance(place, str):
        pointer["content_sha256"] = sha256
    elif sha256 not in (None, pointer["content_sha256"]):
        raise ParamsError(f"{place} has SHA-256 {pointer['content_sha256']}, not the declared {sha256}")
    locations = _read_locations(layout)
    locations[dataset] = str(place)
    with store.atomic_file(layout.locations) as temporary:
        temporary.write_text(yaml.safe_dump(locations, sort_keys=True))
    if is_test:
        store.write_json(layout.source(name), {**_read_whole(layout, name), "test": pointer})
    else:
        _write_list(layout, name, listed)
        _write(layout, name, pointer)
    return pointer


def _listed(place: Path | str, files: Files | None) -> list[ListedFile] | None:
    """What a data set takes from a larger folder, each file hashed; None where it takes all."""
    if files is None or isinstance(place, str) or not place.is_dir():
        return None
    return _hashed(place, files)


def _write_list(layout: Layout, name: str, listed: list[ListedFile] | None) -> None:
    if listed is None:
        layout.source_files(name).unlink(missing_ok=True)
    else:
        write_lines(layout.source_files(name), ListedFile, listed)


def point_at_drops(layout: Layout, dataset: str) -> None:
    """Let the pointer of `dataset` say which drops are in it; left alone where it does already.

    Raises:
        DataError: a record of a drop is damaged.
    """
    pointer = {"content_sha256": union_sha256(read_records(layout)), "kind": DROPS}
    try:
        if layout.source(dataset).exists() and read_pointer(layout, dataset) == pointer:
            return
    except DataError:  # it is about to be replaced
        pass
    _write(layout, dataset, pointer)


def check_drops(layout: Layout, dataset: str) -> None:
    """The drops are those that the pointer in git says.

    Raises:
        DataError: they are not, or a record or the pointer is damaged.
    """
    wanted, found = read_pointer(layout, dataset), union_sha256(read_records(layout))
    if wanted != {"content_sha256": found, "kind": DROPS}:
        raise DataError(
            f"{layout.source(dataset)} does not fit the records in {layout.drop_records}: drops came or "
            "went; `asd run` (or `asd lock`) brings it up to date"
        )


def _write(layout: Layout, name: str, pointer: dict[str, Any]) -> None:
    """Replace a pointer; its `test` part stays."""
    store.write_json(layout.source(name), {**pointer, **_test_part(layout, name)})


def _test_part(layout: Layout, name: str) -> dict[str, Any]:
    """What is to be kept of a pointer when its data set gets another source."""
    try:
        whole = _read_whole(layout, name)
    except DataError:  # it is about to be replaced
        return {}
    return {key: value for key, value in whole.items() if key == "test"}


def resolve_source(layout: Layout, dataset: str) -> Path | str | None:
    """Where this machine finds `dataset`: a path, an address, or None if nobody has said.

    Raises:
        ParamsError: the path does not exist.
    """
    variable = _variable(dataset)
    said = os.environ.get(variable)
    location = said or _read_locations(layout).get(dataset)
    if location is None:
        return None
    place = _place(location)
    if isinstance(place, Path) and not place.exists():
        by = variable if said else str(layout.locations)
        raise ParamsError(
            f"source {place} of data set {dataset} does not exist (from {by}); "
            f"`asd source set {dataset} PATH` sets another"
        )
    return place


def check_source(layout: Layout, dataset: str, files: Files | None = None) -> Path | str | None:
    """Like `resolve_source`, and the content is what the pointer in git says.

    Args:
        files: as for `set_source`.

    Raises:
        DataError: the content differs from the pointer, or the pointer is missing or damaged.
        ParamsError: the path does not exist, or the pointer names content that this machine lacks.
    """
    place = resolve_source(layout, dataset)
    path = layout.source(dataset.removesuffix(TEST))
    pointer = read_pointer(layout, dataset)
    if place is None:
        if pointer["kind"] != "embedded":
            raise ParamsError(
                f"this machine does not know where data set {dataset} lies: `asd source set {dataset} PATH` "
                f"or {_variable(dataset)}"
            )
        return None
    listed = _listed(place, files)
    found = describe(place) if listed is None else _pointer(listed)
    if found["kind"] != pointer["kind"]:
        raise DataError(
            f"{place} is a {found['kind']}, but {path} was made for kind {pointer['kind']!r}; "
            f"renew it with `asd source set {dataset} {place}`"
        )
    if found["kind"] != "url" and found["content_sha256"] != pointer["content_sha256"]:
        raise DataError(
            f"the content of {place} is not what {path} says (got {found['content_sha256'][:12]}, "
            f"wanted {str(pointer['content_sha256'])[:12]}){_first_difference(layout, dataset, listed)}; "
            f"if the change is meant, `asd source set {dataset} {place}`"
        )
    return place


def _first_difference(layout: Layout, dataset: str, listed: list[ListedFile] | None) -> str:
    """The first file that is not as the list in git says, in words; empty where there is no list."""
    path = layout.source_files(dataset)
    if listed is None or not path.exists():
        return ""
    before = {line.path: line.sha256 for line in _read_list(path)}
    now = {line.path: line.sha256 for line in listed}
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if not differing:
        return ""
    first = differing[0]
    what = (
        "is missing" if first not in now else "is not in the list" if first not in before else "has changed"
    )
    return f": {first} {what} ({len(differing)} of {len(before)} files differ)"


def _read_list(path: Path) -> tuple[ListedFile, ...]:
    return read_lines(
        path,
        ListedFile,
        same=lambda line: (line.path, line.path),
        check=lambda line: None,
        mend="`asd source set` writes it again",
    )


def ensure_pointer(layout: Layout, dataset: str) -> dict[str, Any]:
    """The pointer of `dataset`, written as `embedded` if there is none yet."""
    if not layout.source(dataset).exists():
        store.write_json(layout.source(dataset), _EMBEDDED)
    return read_pointer(layout, dataset)


def read_pointer(layout: Layout, dataset: str) -> dict[str, Any]:
    """The pointer of `dataset` in git: `content_sha256` (hex or None) and `kind`; none is `embedded`.

    Raises:
        DataError: the file is not a pointer.
    """
    whole = _read_whole(layout, dataset.removesuffix(TEST))
    test = whole.pop("test", _EMBEDDED)
    return dict(test) if dataset.endswith(TEST) else whole


def _read_whole(layout: Layout, name: str) -> dict[str, Any]:
    """The pointer with its `test` part, if it has one."""
    path = layout.source(name)
    whole = store.read_json(path) if path.exists() else dict(_EMBEDDED)
    own = {key: value for key, value in whole.items() if key != "test"} if isinstance(whole, dict) else None
    for part in (own, whole.get("test", _EMBEDDED) if own is not None else None):
        if not isinstance(part, dict) or set(part) != set(_EMBEDDED) or part["kind"] not in _KINDS:
            raise DataError(f"{path}: wanted content_sha256 and a kind of {', '.join(_KINDS)}")
    return dict(whole)


def _variable(dataset: str) -> str:
    return f"ASD_SOURCE_{dataset.upper().replace('.', '__')}"


def describe(place: Path | str) -> dict[str, Any]:
    """The pointer for what lies at `place` now; an address gives no hash.

    Raises:
        DataError: a folder is empty, or holds what cannot be read or a link to a folder.
    """
    if isinstance(place, str):
        return {"content_sha256": None, "kind": "url"}
    try:
        if place.is_file():
            return {"content_sha256": store.file_sha256(place), "kind": "file"}
    except OSError as error:
        raise DataError(f"cannot read source {error.filename or place}: {error.strerror}") from error
    return _pointer(_hashed(place, source_files))


def _hashed(place: Path, files: Files) -> list[ListedFile]:
    try:
        listed = []
        for file in files(place):
            if file.exists() and not file.is_file():  # reading a pipe would wait for its writer
                raise DataError(f"{file} is no regular file")
            listed.append(ListedFile(file.relative_to(place).as_posix(), store.file_sha256(file)))
    except OSError as error:
        raise DataError(f"cannot read source {error.filename or place}: {error.strerror}") from error
    if not listed:
        raise DataError(f"source folder {place} is empty")
    return listed


def _pointer(listed: list[ListedFile]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for file in listed:
        digest.update(f"{file.path}\0{file.sha256}\n".encode())
    return {"content_sha256": digest.hexdigest(), "kind": "folder"}


def source_files(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, sorted by relative name; names that start with a dot do not count.

    Raises:
        DataError: a link to a folder (it would be followed for ever, or left out in silence), or a
            name that is not UTF-8.
    """
    found: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (Path(root) / name).is_symlink():
                raise DataError(f"{Path(root) / name} is a link to a folder; put the folder itself there")
        for name in (*folders, *files):
            if not name.isascii() and name != name.encode(errors="replace").decode():
                raise DataError(f"{root} holds a name that is not UTF-8: {name!a}")
        found.extend(Path(root) / name for name in files if not name.startswith("."))
    yield from sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error


def _place(location: str) -> Path | str:
    scheme = urlsplit(location).scheme
    if scheme in ("http", "https"):
        return location
    if "://" in location:
        raise ParamsError(f"source {location!r}: wanted a path or an http(s) address")
    return Path(location).expanduser().absolute()


def _read_locations(layout: Layout) -> dict[str, str]:
    path = layout.locations
    if not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML; delete it and set the sources again") from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ParamsError(f"{path}: wanted `data set: location` lines; delete it and set the sources again")
    return found
