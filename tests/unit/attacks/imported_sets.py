"""Files that say what forty pictures are, for the tests of attack `imported`."""

import csv
import json

import pyarrow as pa

from asd import given, store
from asd.attacks import imported
from asd.sources import describe

WORDS = ("clean", "poisoned", "decoy", "clean")
"""Roles of four pictures in turn."""


def write_parquet(folder, rows, name="roles"):
    file = folder / "made" / f"{name}.parquet"
    file.parent.mkdir(exist_ok=True)
    store.write_parquet(file, pa.Table.from_pylist(rows))
    return file


def write_folder(folder, rows, name="roles", form="csv"):
    """Pictures beside a CSV or JSON lines that names them."""
    place = folder / "made"
    (place / "pictures").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, row in enumerate(rows):
        path = f"pictures/{name}{number}.png"
        (place / path).write_bytes(row["image"])
        lines.append({"path": path, **{key: value for key, value in row.items() if key != "image"}})
    file = place / f"{name}.{form}"
    if form == "jsonl":
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return file


def hash_of(file):
    return describe(file if file.suffix == ".parquet" or file.is_dir() else file.parent)["content_sha256"]


def match(made, folders, *, limited=False):
    params, artifacts = made
    return given.match_roles("x", imported.roles(artifacts, params), *folders, limited=limited)


def plain_truth(random_pictures):
    """The truth, slowly."""
    return [
        (f"train_{row}", WORDS[row % 4], (row - 1) % 10 if row % 4 == 1 else row % 10)
        for row in range(40)
        if WORDS[row % 4] != "clean"
    ]


def as_rows(truth):
    return list(zip(truth.keys, truth.roles, truth.labels_before.tolist(), strict=True))
