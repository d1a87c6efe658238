"""`asd init`: a workspace anywhere, safe to repeat, polite to a git repository."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asd.errors import DiskError, ParamsError
from asd.new_workspace import create, presets
from asd.params import load_workspace

ALL = {
    ".asd", ".dvc", ".dvcignore", ".gitignore", "asd.lock", "dvc.yaml", "params.yaml", "prefect.yaml",
    "reviews", "seeds", "sources",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_git_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an identity nor a repository above the test's folder, whatever the machine has."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("GIT_DIR", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout


def dvc_stages(root: Path) -> list[str]:
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.split()


@pytest.mark.parametrize("preset", presets())
def test_every_preset_makes_a_workspace_with_valid_params(tmp_path: Path, preset: str) -> None:
    made = create(tmp_path / "w", preset)
    assert {path.name for path in made.root.iterdir()} == ALL
    assert len(load_workspace(made.root).cells()) >= 2
    assert {path.stem for path in (made.root / "sources").iterdir()} >= {"seeds"}


def test_without_git_dvc_knows_the_stages(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "digits")
    assert not made.in_git
    assert len(dvc_stages(made.root)) == 14
    assert not (made.root / ".git").exists()


def test_inside_a_git_repository_dvc_works_and_nothing_is_staged_or_committed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    made = create(tmp_path / "sub" / "w", "digits")
    assert made.in_git
    assert len(dvc_stages(made.root)) == 14
    assert git(tmp_path, "diff", "--cached", "--name-only") == ""
    assert git(tmp_path, "for-each-ref") == ""


def test_a_repository_of_its_own_is_made_only_when_asked_for(tmp_path: Path) -> None:
    made = create(tmp_path / "w", "digits", git=True)
    assert made.in_git
    assert git(made.root, "rev-parse", "--show-toplevel").strip() == str(made.root.resolve())
    assert git(made.root, "check-ignore", ".asd", "data/x", "dvc.lock").split() == [".asd", "data/x"]


def test_a_folder_that_the_repository_ignores_does_without_git(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("w/\n")
    made = create(tmp_path / "w", "digits")
    assert not made.in_git
    assert len(dvc_stages(made.root)) == 14


def test_running_again_changes_nothing(tmp_path: Path) -> None:
    root = create(tmp_path / "w", "digits").root
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert create(root, "digits").written == ()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("after", range(0, 9, 2))
def test_killed_half_way_and_run_again_it_ends_the_same(tmp_path: Path, after: int) -> None:
    """Killed just before the file number `after` gets its name."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom asd.new_workspace import create\n"
        "replace, left = Path.replace, [int(sys.argv[2])]\n"
        "def dying(self, target):\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    left[0] -= 1\n"
        "    return replace(self, target)\n"
        "Path.replace = dying\ncreate(Path(sys.argv[1]), 'digits')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w"), str(after)], check=False)
    assert killed.returncode == -signal.SIGKILL
    create(tmp_path / "w", "digits")
    create(tmp_path / "unbroken", "digits")
    found, wanted = (
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "w", tmp_path / "unbroken")
    )
    assert found == wanted


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_a_folder_with_other_files_of_ours_is_refused_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine: 1\n")
    with pytest.raises(ParamsError, match=f"has another {name} already"):
        create(tmp_path, "digits")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_file_and_the_lines_of_a_gitignore_stay(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n/data/")
    (tmp_path / "README.md").write_text("my project")
    git(tmp_path, "init", "-q")
    create(tmp_path, "digits")
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["mine", "/data/"]
    assert ".asd/" in lines
    assert len(lines) == len(set(lines))
    assert (tmp_path / "README.md").read_text() == "my project"


def test_a_folder_with_files_outside_git_is_refused_untouched(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).touch()
    message = rf"\(it holds a\.txt and 2 more\); give a new folder, such as {tmp_path}/asd$"
    with pytest.raises(ParamsError, match=message):
        create(tmp_path, "digits")
    assert len(list(tmp_path.iterdir())) == 3


def test_hidden_names_do_not_fill_a_folder(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    assert create(tmp_path, "digits").root == tmp_path


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_a_workspace_that_somebody_changed_says_where_to_go_on(tmp_path: Path, name: str) -> None:
    root = create(tmp_path / "w", "digits").root
    (root / name).write_text((root / name).read_text() + "# mine\n")
    with pytest.raises(ParamsError, match=rf"is a workspace already, with another {name}: `cd {root}` and"):
        create(root, "digits")


def test_an_unknown_preset_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"no preset 'digit'; did you mean 'digits'\?"):
        create(tmp_path / "w", "digit")
    assert not (tmp_path / "w").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").touch()
    with pytest.raises(ParamsError, match="is a file; give a folder"):
        create(tmp_path / "w", "digits")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(DiskError, match="may not write"):
        create(tmp_path / "closed" / "w", "digits")


def test_without_git_on_the_machine_a_workspace_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not create(tmp_path / "w", "digits").in_git
    with pytest.raises(ParamsError, match="git is not installed"):
        create(tmp_path / "v", "digits", git=True)


def test_only_its_owner_may_write_to_the_state_of_the_machine(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        root = create(tmp_path / "w", "digits").root
    finally:
        os.umask(old)
    dvc_stages(root)
    for folder in (root / ".asd", root / ".asd" / "dvc", root / ".asd" / "dvc" / "repo"):
        assert folder.stat().st_mode & 0o022 == 0
