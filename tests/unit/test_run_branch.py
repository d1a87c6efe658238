"""Commits of a run: to a branch of their own; what the user has checked out stays as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from asd.errors import ParamsError
from asd.layout import Layout
from asd.operations import run_branch
from asd.operations.run_branch import GitError, commit_run, push_branch

BRANCH = "asd/runs"
WHO = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@x", "GIT_COMMITTER_NAME": "Ada"}


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in a folder of a repository, with one commit of the user's."""
    for key, value in {**WHO, "GIT_COMMITTER_EMAIL": "ada@x"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    root = tmp_path / "repo" / "w"
    (root / "drops").mkdir(parents=True)
    (root / "data" / "drops").mkdir(parents=True)
    git(root.parent, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("dvc.lock\n/inbox/\n")
    (root / "params.yaml").write_text("a: 1\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root.parent / "README").write_text("mine\n")
    git(root.parent, "add", ".")
    git(root.parent, "commit", "-qm", "first")
    return root


def write(root: Path) -> None:
    """What a run leaves behind, and what the user is in the middle of."""
    (root / "dvc.lock").write_text("lock: 1\n")
    (root / "drops" / "0001.json").write_text("{}\n")
    (root / "data" / "drops" / "0001.dvc").write_text("outs: []\n")
    (root.parent / "README").write_text("half a sentence\n")
    (root / "notes.txt").write_text("not asked for\n")


def state(root: Path) -> list[str]:
    """What is checked out and what is changed."""
    return [git(root, "status", "--porcelain=v2"), git(root, "rev-parse", "HEAD")]


def files(root: Path, revision: str) -> list[str]:
    return git(root, "ls-tree", "-r", "--full-tree", "--name-only", revision).splitlines()


def test_branch_holds_the_run_over_the_users_commit_and_nothing_of_his_changes(repository: Path) -> None:
    write(repository)
    git(repository.parent, "add", "README")  # staged, and stays so
    before = state(repository)
    done = commit_run(Layout(repository), BRANCH, "Drop 1")
    assert done.is_new
    assert files(repository, BRANCH) == [
        *("README", "w/.gitignore", "w/data/drops/0001.dvc", "w/drops/0001.json"),
        *("w/dvc.lock", "w/dvc.yaml", "w/params.yaml"),
    ]
    assert git(repository, "show", f"{BRANCH}:README") == "mine"
    assert state(repository) == before
    assert git(repository, "log", "-1", "--format=%s %an %P", BRANCH) == f"Drop 1 Ada {before[1]}"


def test_the_same_again_makes_no_commit_and_a_change_makes_one_on_top(repository: Path) -> None:
    write(repository)
    first = commit_run(Layout(repository), BRANCH, "one")
    assert commit_run(Layout(repository), BRANCH, "two") == run_branch.Committed(BRANCH, first.commit, False)
    (repository / "dvc.lock").write_text("lock: 2\n")
    third = commit_run(Layout(repository), BRANCH, "three")
    assert git(repository, "rev-parse", f"{third.commit}^") == first.commit


def test_users_new_commit_becomes_a_parent(repository: Path) -> None:
    write(repository)
    first = commit_run(Layout(repository), BRANCH, "one")
    git(repository.parent, "commit", "-qam", "second")
    done = commit_run(Layout(repository), BRANCH, "two")
    assert git(repository, "log", "-1", "--format=%P", BRANCH).split() == [
        first.commit,
        git(repository, "rev-parse", "main"),
    ]
    assert git(repository, "show", f"{done.commit}:README") == "half a sentence"


def test_record_that_is_gone_goes_from_the_branch(repository: Path) -> None:
    write(repository)
    commit_run(Layout(repository), BRANCH, "one")
    git(repository.parent, "checkout", "-q", "--", "README")
    (repository / "drops" / "0001.json").unlink()
    commit_run(Layout(repository), BRANCH, "two")
    assert "w/drops/0001.json" not in files(repository, BRANCH)


def test_branch_that_is_checked_out_is_refused(repository: Path) -> None:
    write(repository)
    git(repository, "checkout", "-qb", BRANCH)
    with pytest.raises(ParamsError, match="is checked out; check out another one"):
        commit_run(Layout(repository), BRANCH, "one")


def test_repository_without_a_commit_or_a_name_of_the_user_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in (*WHO, "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(key, raising=False)
    for scope in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{scope}", "/dev/null")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.useConfigOnly", "true")
    (tmp_path / "params.yaml").write_text("a: 1\n")
    commit_run(Layout(tmp_path), BRANCH, "one")
    assert files(tmp_path, BRANCH) == ["params.yaml"]
    assert git(tmp_path, "log", "-1", "--format=%an", BRANCH) == "asd"


@pytest.mark.parametrize(
    ("branch", "words"), [("a b", "is no name for a git branch"), ("--x", "is no name for a git branch")]
)
def test_wrong_names_are_refused(repository: Path, branch: str, words: str) -> None:
    with pytest.raises(ParamsError, match=words):
        commit_run(Layout(repository), branch, "one")


def test_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no git repository"):
        commit_run(Layout(tmp_path), BRANCH, "one")


def test_push_goes_to_origin_and_its_failure_is_told(repository: Path, tmp_path: Path) -> None:
    write(repository)
    done = commit_run(Layout(repository), BRANCH, "one")
    assert push_branch(Layout(repository), BRANCH) is None
    git(tmp_path, "init", "-q", "--bare", "origin")
    git(repository, "remote", "add", "origin", str(tmp_path / "origin"))
    assert push_branch(Layout(repository), BRANCH) == f"pushed {BRANCH} to origin"
    assert git(tmp_path / "origin", "rev-parse", BRANCH) == done.commit
    git(repository, "remote", "set-url", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(GitError, match=r"git push: .*nowhere"):
        push_branch(Layout(repository), BRANCH)
