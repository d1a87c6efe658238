"""A vendor's words for the classes: lines of `sent,class`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from asd.errors import DataError, ParamsError

_LARGEST = 2**24
_HEAD = ["sent", "class"]


def read_labels_file(path: Path) -> Mapping[str, str]:
    """Label as sent -> name of the class, from CSV (first line `sent,class`), JSON or YAML (a mapping).

    Raises:
        ParamsError: there is no such file.
        DataError: it is none of these, or a label stands there twice.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} is too large for a labels file")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ParamsError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file (UTF-8)") from error
    kind = path.suffix.lower()
    if kind == ".csv":
        return _from_csv(text, path)
    try:
        if kind == ".json":
            return _checked(json.loads(text), path)
        if kind in (".yaml", ".yml"):
            return _checked(yaml.safe_load(text), path)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path} is not valid {kind[1:].upper()}: {' '.join(str(error).split())}") from error
    raise DataError(f"{path}: wanted a .csv, .json or .yaml file of sent,class")


def _from_csv(text: str, path: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if (head := next(reader, [])) != _HEAD:
            raise DataError(f"{path}: wanted the first line sent,class, got {','.join(head)!r}")
        for words in reader:
            if not any(words):
                continue
            if len(words) != len(_HEAD):
                raise DataError(f"{path} line {reader.line_num}: wanted 2 values, got {len(words)}")
            if words[0].strip() in found:
                raise DataError(f"{path} line {reader.line_num}: {words[0]!r} stands there twice")
            found[words[0].strip()] = words[1].strip()
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}") from error
    return found


def _checked(value: Any, path: Path) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise DataError(f"{path}: wanted a mapping of label as sent -> name of the class")
    return {str(sent).strip(): name.strip() for sent, name in value.items()}
