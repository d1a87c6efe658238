"""Files that an attack's params name. Their hash stands beside them, so that a change is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from asd.errors import DataError, ParamsError
from asd.sources import describe

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
_MOST_BYTES = 64 * 2**20


def read_picture(files: Path, name: str, sha256: str | None, param: str) -> bytes:
    """The bytes of a picture below `files` (or anywhere, by an absolute path).

    Args:
        param: what names it, such as `prepare.picture`; its hash is `<param>_sha256`.

    Raises:
        DataError: it cannot be read, is too large, or is another one than its hash says.
        ParamsError: no hash is given; says which it is.
    """
    path = files / Path(name).expanduser()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{param}: {path} has more than {_MOST_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{param}: cannot read {path}: {error.strerror}") from error
    _check_hash(path, hashlib.sha256(data).hexdigest(), sha256, param)
    return data


def picture_files(files: Path, name: str, sha256: str | None, param: str) -> list[Path]:
    """The pictures of a folder below `files`, sorted by relative name.

    Raises:
        DataError: the folder is not what its hash says, or a picture is too large.
        ParamsError: no such folder, no picture in it, or no hash is given; says which it is.
    """
    folder = files / Path(name).expanduser()
    if not folder.is_dir():
        raise ParamsError(f"{param}: there is no folder {folder}")
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURES and file.is_file())
    if not found:
        raise ParamsError(f"{param}: {folder} holds no picture ({', '.join(PICTURES)})")
    for file in found:
        if file.stat().st_size > _MOST_BYTES:
            raise DataError(f"{param}: {file} has more than {_MOST_BYTES // 2**20} MiB")
    _check_hash(folder, str(describe(folder)["content_sha256"]), sha256, param)
    return found


def checked_place(files: Path, name: str, sha256: str | None, param: str) -> Path:
    """A file or folder below `files`, once its hash is right.

    The hash is that of a Parquet file alone; of any other file it covers the folder that it lies
    in, since the file names pictures there.

    Raises:
        DataError: it is not there, cannot be read, or is another one than its hash says.
        ParamsError: no hash is given (says which it is), or the file lies in the workspace's top folder.
    """
    path = files / Path(name).expanduser()
    if not path.exists():
        raise DataError(f"{param}: there is no {path}")
    whole = path if path.is_dir() or path.suffix.lower() == ".parquet" else path.parent
    if whole.is_dir() and files.resolve().is_relative_to(whole.resolve()):
        raise ParamsError(f"{param}: {whole} holds the workspace; give it a folder of its own")
    _check_hash(path, str(describe(whole)["content_sha256"]), sha256, param)
    return path


def _check_hash(path: Path, found: str, wanted: str | None, param: str) -> None:
    if wanted is None:
        raise ParamsError(f"{param} {path} needs its hash beside it: {param.split('.')[-1]}_sha256: {found}")
    if found != wanted:
        raise DataError(f"{path} has SHA-256 {found}, {param}_sha256 says {wanted}")
