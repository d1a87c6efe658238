"""Saving and loading: atomic, byte-stable, never pickled.

Everything is written to a temporary neighbour, flushed to disk and renamed, so that a name
either holds a whole file or none. The same content gives the same bytes. Pyarrow is imported
where a table is read or written: a shipped model is loaded without it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.errors import DataError, DiskError

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

_TEMPORARY = ".tmp-"
_METADATA_KEY = "asd"


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into an error that says which path and why."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(f"disk full while writing {path}; free some space and run again") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DiskError(f"may not write {path}: {os.strerror(error.errno)}") from error
        raise


def fsync(path: Path) -> None:
    """Bring a file or the names in a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clear_leftovers(path: Path) -> None:
    """Remove temporary neighbours that a killed writer of the same path left behind."""
    for left in path.parent.glob(f".{path.name}{_TEMPORARY}*"):
        _remove(left)


def put_back(folder: Path) -> None:
    """Give a folder its name again if a writer was killed after moving it aside for a new one."""
    if not folder.exists():
        for old in folder.parent.glob(f".{folder.name}{_TEMPORARY}*-old"):
            old.rename(folder)
            return


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write one file to; on success it becomes `path`."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(path)
        temporary = path.parent / f".{path.name}{_TEMPORARY}{os.getpid()}"
        try:
            yield temporary
            fsync(temporary)
            temporary.replace(path)
            fsync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder to fill; on success it replaces `path` whole."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        put_back(path)
        _clear_leftovers(path)
        temporary = path.parent / f".{path.name}{_TEMPORARY}{os.getpid()}"
        temporary.mkdir()
        try:
            yield temporary
            for file in sorted(temporary.rglob("*")):
                fsync(file)
            fsync(temporary)
            if path.exists():
                old = path.parent / f".{path.name}{_TEMPORARY}{os.getpid()}-old"
                path.rename(old)
                temporary.rename(path)
                _remove(old)
            else:
                temporary.rename(path)
            fsync(path.parent)
        finally:
            if temporary.exists():
                _remove(temporary)


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# -- JSON ------------------------------------------------------------------------------


def json_bytes(value: Any) -> bytes:
    """Sorted, indented JSON; NaN and infinity are refused (ValueError)."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write sorted JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(json_bytes(value))


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


# -- Parquet -----------------------------------------------------------------------------


def write_parquet(path: Path, table: pa.Table, *, row_group_size: int | None = None) -> None:
    """Write a table with fixed settings (zstd, no statistics of the writer's clock), atomically."""
    import pyarrow.parquet as pq

    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=row_group_size)


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table.

    Raises:
        DataError: the file is missing or is not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


# -- tensors -----------------------------------------------------------------------------


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write tensors as safetensors with one metadata key (more than one is not byte-stable)."""
    note = {_METADATA_KEY: json.dumps(dict(metadata or {}), sort_keys=True)}
    with atomic_file(path) as temporary:
        if tensors:
            from safetensors.torch import save_file

            whole = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
            save_file(whole, temporary, metadata=note)
        else:  # the same bytes without importing torch, which takes seconds
            import safetensors.numpy

            safetensors.numpy.save_file({}, temporary, metadata=note)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file onto the CPU.

    Raises:
        DataError: the file is missing or is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}") from error
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path} is not a valid safetensors file: {error}") from error
