"""Committing what a run made to a branch of its own, without touching what the user has checked out.

Git's plumbing with an index of its own: the user's branch, index and files stay as they are, also
when this process is killed half-way. The commit holds the user's last commit with, over it, the
files of the workspace that say what ran: params, pointers, `dvc.lock`, the records of drops. Its
parents are the last commit of the branch and the user's last commit.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asd.errors import AsdError, ParamsError
from asd.layout import Layout

_ALWAYS = ("dvc.lock",)  # also where .gitignore names it
_NOBODY = {"NAME": "asd", "EMAIL": "asd@localhost"}
_NONE = "0" * 40
_OF_A_HOOK = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_INTERNAL_SUPER_PREFIX"),
}


@dataclass(frozen=True)
class Committed:
    """A commit on the branch; `is_new` is False where the branch had exactly this already."""

    branch: str
    commit: str
    is_new: bool


class GitError(AsdError):
    """Git refused; what it said."""


def commit_run(layout: Layout, branch: str, message: str) -> Committed:
    """Commit the files that say what ran to `branch`, which is made where there is none.

    Raises:
        ParamsError: no git repository, no name for a branch, or the branch is checked out.
        GitError: git failed.
    """
    check_branch(layout, branch)
    reference = f"refs/heads/{branch}"
    tip = _commit_of(layout.root, reference)
    head = _commit_of(layout.root, "HEAD")
    with tempfile.TemporaryDirectory(prefix="asd-git-") as folder:
        tree = _tree(layout, {"GIT_INDEX_FILE": str(Path(folder) / "index")}, head)
    if tip and tree == _run(layout.root, "rev-parse", f"{tip}^{{tree}}"):
        return Committed(branch, tip, is_new=False)
    commit = _commit(layout.root, tree, _parents(layout.root, tip, head), message)
    _need(layout.root, "update-ref", "-m", "asd", reference, commit, tip or _NONE)
    return Committed(branch, commit, is_new=True)


def check_branch(layout: Layout, branch: str) -> None:
    """Refuse a branch that no run can be committed to.

    Raises:
        ParamsError: no git repository, no name for a branch, or the branch is checked out.
    """
    top = _run(layout.root, "rev-parse", "--show-toplevel", may_fail=True)
    if not top:
        raise ParamsError("service.commit is on, but the workspace is in no git repository (`git init`)")
    if _run(layout.root, "check-ref-format", "--branch", branch, may_fail=True) is None:
        raise ParamsError(f"service.branch: {branch!r} is no name for a git branch")
    reference = f"refs/heads/{branch}"
    checked_out = _run(layout.root, "worktree", "list", "--porcelain") or ""
    if f"branch {reference}" in checked_out.splitlines():
        raise ParamsError(
            f"service.branch {branch} is checked out; check out another one, so that no file of yours changes"
        )


def recorded_paths(layout: Layout) -> list[Path]:
    """The files and folders whose content a commit of a run holds, as far as they exist."""
    wanted = [
        *(layout.params, layout.pipeline, layout.pipeline_lock, layout.code_lock),
        *(layout.root / ".dvc" / "config", layout.root / ".dvcignore", layout.root / ".gitignore"),
        *(layout.root / "sources", layout.seeds_by_people, layout.reviews, layout.drop_records),
        *sorted(layout.drops.glob("*.dvc")),
        layout.plugins,
    ]
    return [path for path in wanted if path.exists()]


def _tree(layout: Layout, index: Mapping[str, str], head: str | None) -> str:
    """The user's last commit with the files of the run over it, as a tree in git."""
    root = layout.root
    if head:
        _need(root, "read-tree", head, more=index)
    paths = [str(path.relative_to(root)) for path in recorded_paths(layout)]
    forced = [path for path in paths if path in _ALWAYS]
    ignored = _run(root, "check-ignore", "--", *paths, may_fail=True) or ""
    plain = [path for path in paths if path not in {*forced, *ignored.splitlines()}]
    if plain:
        _need(root, "add", "--all", "--", *plain, more=index)
    if forced:
        _need(root, "add", "--force", "--", *forced, more=index)
    return _need(root, "write-tree", more=index)


def _parents(root: Path, tip: str | None, head: str | None) -> list[str]:
    """The branch, then the user's commit where the branch does not hold it yet."""
    if tip is None or head is None:
        return [commit for commit in (tip, head) if commit]
    known = _run(root, "merge-base", "--is-ancestor", head, tip, may_fail=True) is not None
    return [tip] if known else [tip, head]


def _commit(root: Path, tree: str, parents: Sequence[str], message: str) -> str:
    words = [word for parent in parents for word in ("-p", parent)]
    author: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        if not _run(root, "var", f"GIT_{role}_IDENT", may_fail=True):
            author |= {f"GIT_{role}_{key}": value for key, value in _NOBODY.items()}
    return _need(root, "commit-tree", tree, *words, "-F", "-", more=author, text=message)


def push_branch(layout: Layout, branch: str, patience: float = 600.0) -> str | None:
    """Push the branch to `origin`; what was done, None where there is no such remote.

    Raises:
        GitError: git failed; another try may help.
    """
    if _run(layout.root, "remote", "get-url", "origin", may_fail=True) is None:
        return None
    reference = f"refs/heads/{branch}"
    _need(layout.root, "push", "--quiet", "origin", f"{reference}:{reference}", patience=patience)
    return f"pushed {branch} to origin"


def _commit_of(root: Path, name: str) -> str | None:
    return _run(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", may_fail=True) or None


def _need(
    root: Path, *words: str, more: Mapping[str, str] | None = None, text: str = "", patience: float = 120.0
) -> str:
    said = _run(root, *words, more=more, text=text, patience=patience)
    return said or ""


def _run(
    root: Path,
    *words: str,
    more: Mapping[str, str] | None = None,
    text: str = "",
    may_fail: bool = False,
    patience: float = 120.0,
) -> str | None:
    """What git says; None if it fails and may.

    The variables that git sets for a hook are left out, and it never asks for a password.
    """
    kept = {key: value for key, value in os.environ.items() if key not in _OF_A_HOOK}
    environment = {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", **(more or {})}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=root,
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except FileNotFoundError:
        raise ParamsError("git is not installed; turn service.commit off, or install git") from None
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git {words[0]} did not end in {patience:.0f} s") from error
    if done.returncode and not may_fail:
        raise GitError(f"git {words[0]}: {' '.join(done.stderr.split()) or f'exit code {done.returncode}'}")
    return None if done.returncode else done.stdout.strip()
