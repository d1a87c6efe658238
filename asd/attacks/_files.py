"""Files that an attack's params name. Their hash stands beside them, so that a change is noticed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from asd.errors import AsdError, DataError, ParamsError
from asd.sources import describe, source_files

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_MOST_BYTES = 64 * 2**20
_TOO_LARGE = f"has more than {_MOST_BYTES // 2**20} MiB"


def find_below(
    folder: Path, name: str, where: str, wrong: type[AsdError], *, home: bool = False
) -> tuple[Path, int]:
    """A path below `folder` (or anywhere, by an absolute name) and the mode of what lies there, or 0.

    Args:
        where: what names it, for the error.
        wrong: the error for a name that no path can have: a zero byte, too long, nobody's home.
        home: a name that starts with `~` counts from a home folder.
    """
    try:
        path = folder / (Path(name).expanduser() if home else name)
        try:
            return path, path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return path, 0
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise wrong(f"{where}: cannot look for {name!r:.80}: {reason}") from error


def read_picture(files: Path, name: str, sha256: str | None, param: str) -> bytes:
    """The bytes of a picture below `files` (or anywhere, by an absolute path).

    Args:
        param: what names it, such as `prepare.picture`; its hash is `<param>_sha256`.

    Raises:
        DataError: it cannot be read, is too large, or is another one than its hash says.
        ParamsError: a name that no path can have, or no hash is given; says which it is.
    """
    path, _ = find_below(files, name, param, ParamsError, home=True)
    data = read_regular(path, param)
    _check_hash(path, hashlib.sha256(data).hexdigest(), sha256, param)
    return data


def read_regular(path: Path, param: str) -> bytes:
    """The bytes of a picture file.

    Raises:
        DataError: it cannot be read, is too large, or is a device or a pipe.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise DataError(f"{param}: {path} is no regular file")
            data = stream.read(_MOST_BYTES + 1)  # its size says little of a file that grows
    except OSError as error:
        raise DataError(f"{param}: cannot read {path}: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise DataError(f"{param}: {path} {_TOO_LARGE}")
    return data


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe, too, without waiting for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def picture_files(files: Path, name: str, sha256: str | None, param: str) -> dict[str, Path]:
    """The pictures of a folder below `files` by their relative name, sorted.

    They are among the files that its hash covers: names that start with a dot do not count.

    Raises:
        DataError: the folder is not what its hash says, or holds a picture that is too large, or
            something that is neither file nor folder.
        ParamsError: no such folder, no picture in it, or no hash is given; says which it is.
    """
    folder, mode = find_below(files, name, param, ParamsError, home=True)
    if not stat.S_ISDIR(mode):
        raise ParamsError(f"{param}: there is no folder {folder}")
    found = {}
    for file, size in _regular_files(folder, param):
        if file.suffix.lower() in PICTURES:
            if size > _MOST_BYTES:
                raise DataError(f"{param}: {file} {_TOO_LARGE}")
            found[file.relative_to(folder).as_posix()] = file
    if not found:
        raise ParamsError(f"{param}: {folder} holds no picture ({', '.join(PICTURES)})")
    _check_hash(folder, str(describe(folder)["content_sha256"]), sha256, param)
    return found


def _regular_files(folder: Path, param: str) -> Iterator[tuple[Path, int]]:
    """Every file that the hash of a folder covers, and its size; looked at before any is read."""
    try:
        for file in source_files(folder):
            facts = file.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise DataError(f"{param}: {file} is no regular file")
            yield file, facts.st_size
    except OSError as error:
        raise DataError(f"{param}: cannot read {error.filename or folder}: {error.strerror}") from error


def checked_place(files: Path, name: str, sha256: str | None, param: str) -> Path:
    """A file or folder below `files`, once its hash is right.

    The hash is that of a Parquet file alone; of any other file it covers the folder that it lies
    in, since the file names pictures there.

    Raises:
        DataError: it is not there, cannot be read, or is another one than its hash says.
        ParamsError: a name that no path can have, no hash is given (says which it is), or the file
            lies in the workspace's top folder.
    """
    path, mode = find_below(files, name, param, ParamsError, home=True)
    if not mode:
        raise DataError(f"{param}: there is no {path}")
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise DataError(f"{param}: {path} is no regular file")
    whole = path if stat.S_ISDIR(mode) or path.suffix.lower() == ".parquet" else path.parent
    if whole.is_dir():
        if files.resolve().is_relative_to(whole.resolve()):
            raise ParamsError(f"{param}: {whole} holds the workspace; give it a folder of its own")
        for _ in _regular_files(whole, param):
            pass
    _check_hash(path, str(describe(whole)["content_sha256"]), sha256, param)
    return path


def _check_hash(path: Path, found: str, wanted: str | None, param: str) -> None:
    if wanted is None:
        raise ParamsError(f"{param} {path} needs its hash beside it: {param.split('.')[-1]}_sha256: {found}")
    if found != wanted:
        raise DataError(f"{path} has SHA-256 {found}, {param}_sha256 says {wanted}")
