"""The in-toto Statement v1 of an evidence: digests of every file, and what the cell is.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import json
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd import store
from asd.audit.chain import head, read_chain
from asd.audit.evidence.contents import GATES, LARGEST_STATEMENT, Contents, model_file, relative
from asd.errors import DataError
from asd.layout import Cell, Layout
from asd.params import NAME_PATTERN
from asd.registry import installed_version

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:asd:audit-evidence:v1"
_PACKAGES = ("torch", "numpy", "pyarrow", "scikit-learn")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """A statement that was checked for its form.

    Attributes:
        cell: what it is about.
        subjects: name -> SHA-256 (hex).
        predicate: what it says of the cell.
    """

    cell: Cell
    subjects: dict[str, str]
    predicate: dict[str, Any]

    @property
    def made(self) -> Any:
        """Versions and commit of whoever took the digests."""
        return self.predicate.get("made")

    def to_bytes(self) -> bytes:
        """The one way to write it: sorted, indented JSON."""
        subjects = [{"name": n, "digest": {"sha256": d}} for n, d in sorted(self.subjects.items())]
        return store.json_bytes(
            {"_type": TYPE, "predicateType": PREDICATE_TYPE, "predicate": self.predicate, "subject": subjects}
        )

    def with_made(self, made: Any) -> Statement:
        """The same, made by somebody else."""
        return Statement(self.cell, self.subjects, {**copy.deepcopy(self.predicate), "made": made})

    @property
    def digest(self) -> str:
        """What a decision signs: SHA-256 (hex) of the statement without `made`.

        Whoever signs says `made` in the decision; two people sign the same evidence on machines
        of their own.
        """
        return hashlib.sha256(self.with_made(None).to_bytes()).hexdigest()


def build(layout: Layout, contents: Contents) -> Statement:
    """The statement of what `collect` found; `made` is this machine.

    Raises:
        DataError: a file is missing or damaged.
    """
    cell = contents.cell
    subjects = dict(contents.outside)
    for name, source in contents.members.items():
        if isinstance(source, bytes):
            subjects[name] = hashlib.sha256(source).hexdigest()
        elif source.is_file():
            subjects[name] = store.file_sha256(source)
        else:
            raise DataError(f"missing file {source}")
    predicate = {
        **facts_of(layout, cell),
        "gates": [one["text"] for one in json.loads(_as_bytes(contents.members[GATES]))["judged"]],
        "model": {
            "name": relative(layout, model_file(layout, cell)),
            "sha256": subjects[relative(layout, model_file(layout, cell))],
        },
        "made": made_here(layout),
    }
    return Statement(cell, subjects, predicate)


def _as_bytes(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def facts_of(layout: Layout, cell: Cell) -> dict[str, Any]:
    """What the predicate says of a cell, as the files below `layout` have it.

    Raises:
        DataError: a file is missing or damaged.
    """
    samples = store.read_parquet(layout.audit_samples(cell), ["verdict"])["verdict"].to_pylist()
    seeds = store.read_json(layout.seed_set(cell.dataset, cell.attack, cell.trial) / "seed_set.json")
    links = read_chain(layout.review_log)
    return {
        "cell": str(cell),
        "samples": len(samples),
        "verdicts": verdict_counts(samples),
        "seeds": seeds,
        "environment": environment_of(layout, cell),
        "review_log": {"lines": len(links), "head": head(links)},
    }


def verdict_counts(verdicts: list[str | None]) -> dict[str, int] | None:
    """Verdict -> samples; None where the run judges nothing."""
    found = Counter(one for one in verdicts if one is not None)
    return dict(sorted(found.items())) or None


def environment_of(layout: Layout, cell: Cell) -> dict[str, Any]:
    """In what the stages say they were trained: device, precision, threads, version of torch."""
    states = {stage: store.read_json(layout.stage(cell, stage) / "state.json") for stage in (1, 2, 3)}
    return {f"stage{stage}": state.get("numeric") for stage, state in states.items()}


def made_here(layout: Layout) -> dict[str, Any]:
    """Versions and git commit of this machine; null where they are not known."""
    commit = _git(layout.root, "rev-parse", "HEAD")
    changed = _git(layout.root, "status", "--porcelain", "--untracked-files=no") if commit else None
    return {
        "asd": installed_version(),
        "commit": commit,
        "uncommitted_changes": None if changed is None else bool(changed),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(root: Path, *words: str) -> str | None:
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


# -- reading what a stranger wrote -------------------------------------------------------------


def parse(content: bytes) -> Statement:
    """A statement from bytes that nobody vouches for.

    Raises:
        DataError: no statement of ours, or not written as `to_bytes` writes it.
    """
    if len(content) > LARGEST_STATEMENT:
        raise DataError(f"statement.json has {len(content):,} bytes, at most {LARGEST_STATEMENT:,} are read")
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("statement.json is not valid JSON") from error
    wanted = {"_type": TYPE, "predicateType": PREDICATE_TYPE}
    for name, value in wanted.items():
        found = raw.get(name) if isinstance(raw, dict) else None
        if found != value:
            raise DataError(f"statement.json: wanted {name} {value!r}, found {str(found)[:80]!r}")
    predicate = raw.get("predicate")
    if not isinstance(predicate, dict):
        raise DataError("statement.json: the predicate is no object")
    statement = Statement(parse_cell(predicate.get("cell")), _subjects(raw.get("subject")), predicate)
    try:
        same = statement.to_bytes() == content
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise DataError("statement.json is not written as asd writes it (sorted, no more and no less)")
    return statement


def parse_cell(text: Any) -> Cell:
    """A cell from a text of a stranger.

    Raises:
        DataError: not `dataset/attack/defense/trial`.
    """
    words = text.split("/") if isinstance(text, str) and len(text) < 300 else []
    names, trial = words[:-1], words[-1] if words else ""
    good = all(re.fullmatch(NAME_PATTERN, word) for word in names)
    if len(names) != 3 or not good or not re.fullmatch(r"0|[1-9][0-9]{0,8}", trial):
        raise DataError(f"{str(text)[:80]!r} is no cell (dataset/attack/defense/trial)")
    return Cell(names[0], names[1], names[2], int(trial))


def _subjects(raw: Any) -> dict[str, str]:
    if not isinstance(raw, list):
        raise DataError("statement.json has no list of subjects")
    found: dict[str, str] = {}
    for one in raw:
        name = one.get("name") if isinstance(one, Mapping) else None
        digest = one.get("digest") if isinstance(one, Mapping) else None
        value = digest.get("sha256") if isinstance(digest, Mapping) else None
        if not isinstance(name, str) or not isinstance(value, str) or not _HEX.fullmatch(value):
            raise DataError("statement.json: a subject without a name or a SHA-256")
        if name in found:
            raise DataError(f"statement.json names {name[:80]!r} twice")
        found[name] = value
    return found
