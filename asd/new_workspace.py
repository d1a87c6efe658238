"""Making a workspace: params, pipeline, DVC's settings; safe to run again when it was cut short."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asd.errors import ParamsError, nearest
from asd.layout import Layout
from asd.readiness import TEMPLATE, make_ready
from asd.store import atomic_file, disk_errors

PRESETS = TEMPLATE.parent
_FILES = {
    "pipeline.yaml": "dvc.yaml",  # DVC takes every file of the name dvc.yaml for a pipeline
    "dvc_gitignore": ".dvc/.gitignore",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "prefect.yaml": "prefect.yaml",
    "seeds_readme.md": "seeds/README.md",
    "exclusions.csv": "reviews/exclusions.csv",
}
"""Template file -> its place in a workspace."""


@dataclass(frozen=True)
class NewWorkspace:
    """What `create` made."""

    root: Path
    in_git: bool
    written: tuple[str, ...]


def presets() -> list[str]:
    """Names of the presets, sorted."""
    return sorted(file.stem for file in PRESETS.glob("*.yaml"))


def create(folder: Path, preset: str, *, git: bool = False) -> NewWorkspace:
    """Make `folder` a workspace with the params of `preset`; see `create_with`.

    Raises:
        ParamsError: unknown preset, or as `create_with`.
    """
    if preset not in presets():
        raise ParamsError(
            f"no preset {preset!r}{nearest(preset, presets())} (presets: {', '.join(presets())})"
        )
    return create_with(folder, (PRESETS / f"{preset}.yaml").read_text(), git=git)


def create_with(
    folder: Path,
    params_text: str,
    *,
    git: bool = False,
    before_params: Callable[[Layout], object] = lambda layout: None,
) -> NewWorkspace:
    """Make `folder` a workspace with these params; never commits and never stages.

    A file that is there already stays as it is; so a second run mends a first one that was
    killed, and an existing repository keeps its `.gitignore` (missing lines are added).

    Args:
        git: make a git repository of its own there, unless the folder lies in one.
        before_params: writes what must be there before `params.yaml` is.

    Raises:
        ParamsError: the folder has other params, another pipeline, or files that no git keeps.
        DiskError: the folder may not be written to.
    """
    root = folder.resolve()
    refuse_another(root, params_text)
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    if git and not _in_git(root):
        _start_git(root)
    in_git = _in_git(root)
    written = [p for name, p in _FILES.items() if _place((TEMPLATE / name).read_text(), root / p)]
    if not (root / ".dvc" / "config").exists():
        _write(root / ".dvc" / "config", _dvc_config(in_git))
        written.append(".dvc/config")
    # params.yaml comes last of the copies: a folder that has one has all the rest
    before_params(Layout(root))
    written += ["params.yaml"] if _place(params_text, root / "params.yaml") else []
    make_ready(root)
    return NewWorkspace(root, in_git, tuple(sorted(written)))


def refuse_another(root: Path, params_text: str | None = None) -> None:
    """Refuse a folder with another pipeline, other params or somebody's files; None: whatever params.

    Raises:
        ParamsError: says what is in the way.
    """
    if root.exists() and not root.is_dir():
        raise ParamsError(f"{root} is a file; give a folder")
    layout = Layout(root)
    wanted = {layout.pipeline: (TEMPLATE / "pipeline.yaml").read_text(), layout.params: params_text}
    for file, text in wanted.items():
        if text is not None and file.exists() and file.read_bytes() != text.encode():
            raise another(root, file)
    if not layout.pipeline.exists():  # the first file of all: where it is, an init was cut short
        _refuse_full(root)


def another(root: Path, file: Path) -> ParamsError:
    """The error for a `file` at `root` that differs from the one that would be written."""
    layout = Layout(root)
    if not (layout.params.exists() and layout.pipeline.exists()):
        return ParamsError(f"{root} has another {file.name} already; give an empty or a new folder")
    return ParamsError(
        f"{root} is a workspace already, with another {file.name}: `cd {shlex.quote(str(root))}` and "
        "`asd run` go on with it; for another workspace give a new folder"
    )


def _refuse_full(root: Path) -> None:
    """Refuse a folder with files in it that no git repository keeps; hidden names do not count."""
    names = sorted(p.name for p in root.iterdir() if not p.name.startswith(".")) if root.exists() else []
    if names and not _in_git(root):
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ParamsError(
            f"{root} is neither empty nor in a git repository nor a workspace (it holds {names[0]}{more}); "
            f"give a new folder, such as {root / 'asd'}"
        )


def _place(text: str, target: Path) -> bool:
    """Write a template's text; of `.gitignore` and `.dvcignore` add the missing lines. True if written."""
    if target.exists():
        if target.name not in (".gitignore", ".dvcignore"):
            return False
        before = target.read_text()
        missing = [line for line in text.splitlines() if line and line not in before.splitlines()]
        if not missing:
            return False
        text = before + ("" if before.endswith("\n") or not before else "\n") + "\n".join(missing) + "\n"
    _write(target, text)
    return True


def _write(target: Path, text: str) -> None:
    with atomic_file(target) as temporary:
        temporary.write_text(text)


# -- git and DVC -----------------------------------------------------------------------------


def _dvc_config(in_git: bool) -> str:
    """DVC's settings. These two files in `.dvc` are all that a fresh clone has, too.

    `dvc init` is not called: it would stage files in the user's repository and leave half a
    `.dvc` when it is killed, which it then refuses to mend.
    """
    text = (TEMPLATE / "dvc_config").read_text()
    return text if in_git else text + "    no_scm = true\n"


def _in_git(folder: Path) -> bool:
    """Whether the folder lies in a git work tree that does not ignore it."""
    if _git(folder, "rev-parse", "--is-inside-work-tree") != (0, "true"):
        return False
    return _git(folder, "check-ignore", "-q", str(folder / ".dvc"))[0] != 0


def _git(folder: Path, *words: str) -> tuple[int, str]:
    if shutil.which("git") is None:
        return 127, ""
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def _start_git(folder: Path) -> None:
    if shutil.which("git") is None:
        raise ParamsError("git is not installed; leave --git out, or install git")
    done = subprocess.run(
        ["git", "-C", str(folder), "init", "-q"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ParamsError(f"`git init` in {folder} failed: {done.stderr.strip().splitlines()[-1:]}")
