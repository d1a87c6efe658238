"""After a run: commit what it made, push results and the branch. Only pushes are tried again."""

from __future__ import annotations

import configparser
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from asd.errors import AsdError
from asd.layout import Layout
from asd.operations.foreign_errors import explain_dvc
from asd.operations.run_branch import commit_run, push_branch
from flows import _commands
from flows._run import NETWORK, ONCE, logged
from flows._service import service_params


class PushError(AsdError):
    """A push failed; another try may help."""


def share(root: Path, message: str) -> None:
    """Commit and push, as `service.commit` and `service.push` say; a failed push ends the flow.

    Raises:
        ParamsError: the repository or the remote is not fit for it.
        PushError: the remote did not take it, also not after several tries.
    """
    params = service_params(Layout(root))
    if params.commit:
        commit(root, params.branch, message)
    if params.push:
        push_results(root)
        if params.commit:
            push_commits(root, params.branch)


@task(name="commit", **ONCE)
def commit(root: Path, branch: str, message: str) -> str:
    """Commit params, `dvc.lock` and the records of drops to the branch of the service."""
    done = commit_run(Layout(root), branch, message)
    text = f"{branch}: {done.commit[:12]}" + ("" if done.is_new else " (nothing new)")
    get_run_logger().info(text)
    return text


@task(name="push results", **NETWORK)
def push_results(root: Path) -> str:
    """Push to DVC's default remote, where one is set; downloads from it are verified from now on."""
    remote = default_remote(root)
    if remote is None:
        get_run_logger().info(
            "service.push is on, but no default DVC remote is set: `dvc remote add -d NAME PLACE`"
        )
        return "no remote"
    if not verifies(root, remote):
        verify = ["-m", "dvc", "remote", "modify", "--local", remote, "verify", "true"]
        said = _commands.run(root, verify)
        get_run_logger().info(
            "remote %s: verify is on now (.dvc/config.local)"
            if not said.code
            else "remote %s: " + said.error,
            remote,
        )
    said = _commands.run(root, ["-m", "flows._dvc_child", "--wait-for-lock", "push"], logged)
    if said.code:
        raise PushError(f"dvc push to {remote}: {explain_dvc(said.error) or said.error}")
    return f"pushed to {remote}"


@task(name="push the branch", **NETWORK)
def push_commits(root: Path, branch: str) -> str:
    """Push the branch of the service to `origin`, where there is one."""
    done = push_branch(Layout(root), branch) or "no remote origin: the branch stays here"
    get_run_logger().info(done)
    return done


def default_remote(root: Path) -> str | None:
    """DVC's default remote; None where none is set."""
    for config in _configs(root):
        name = config.get("core", "remote", fallback="")
        if name:
            return name
    return None


def verifies(root: Path, remote: str) -> bool:
    """Whether DVC checks what it downloads from a remote; without it tampered data would pass."""
    for config in _configs(root):
        for section in (f"'remote \"{remote}\"'", f'remote "{remote}"'):
            if config.has_option(section, "verify"):
                return config.getboolean(section, "verify", fallback=False)
    return False


def _configs(root: Path) -> list[configparser.ConfigParser]:
    """DVC's settings of this workspace, the strongest first."""
    found = []
    for name in ("config.local", "config"):
        config = configparser.ConfigParser(interpolation=None)
        config.read(root / ".dvc" / name)
        found.append(config)
    return found
