"""What DVC and Prefect say when something goes wrong, in our words: what happened, what to type.

Text in, text out; nothing here imports either. The tests hold the messages as they really came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Explained:
    """What happened, and what to do about it; `retry`: it may pass by itself."""

    happened: str
    cure: str
    retry: bool = False

    def __str__(self) -> str:
        return f"{self.happened}; {self.cure}"


@dataclass(frozen=True)
class _Rule:
    """A pattern; `{name}` in the words is what a group of it found."""

    pattern: re.Pattern[str]
    happened: str
    cure: str
    retry: bool = False


def _rule(pattern: str, happened: str, cure: str, *, retry: bool = False) -> _Rule:
    return _Rule(re.compile(pattern, re.DOTALL), happened, cure, retry)


_FREE = (
    "free some space (`asd clean --dry-run` says what can go), then `asd run`; what is finished is not lost"
)

# The first that matches counts: the narrow ones before the wide ones.
_DVC = (
    _rule(
        r"[Dd]isk is full|No space left on device|Errno 28|Disk quota exceeded",
        "the disk is full",
        _FREE,
    ),
    _rule(
        r"'(?P<path>[^']+)' is busy, it is being blocked by:\s*\(PID (?P<pid>\d+)\)",
        "another dvc (process {pid}) works on {path}",
        "wait for it or stop it, then `asd run`, which also clears what a killed dvc left behind",
        retry=True,
    ),
    _rule(
        r"Unable to acquire lock",
        "another dvc works in this workspace",
        "wait for it or stop it, then `asd run`",
        retry=True,
    ),
    _rule(
        r"Unable to read RWLock-file '(?P<path>[^']+)'",
        "{path} was cut off when a dvc was killed",
        "`asd run` removes it and goes on",
    ),
    _rule(
        r"Parameters? (?P<names>'[^.]*') (?:is|are) missing from '(?P<file>[^']+)'",
        "{file} lacks {names}, on which a stage depends",
        "`asd lock` writes params that were left out; others have to be added by hand",
    ),
    _rule(
        r"dvc\.lock' (?:is invalid|validation failed)|unable to read: '[^']*dvc\.lock'",
        "dvc.lock is damaged",
        "`git checkout dvc.lock`, or delete it and `asd run`: what the cache holds is not made again",
    ),
    _rule(
        r"unable to read: '(?P<file>[^']+)', YAML file structure is corrupted.*?line (?P<line>\d+)",
        "{file} is not valid YAML (near line {line})",
        "mend it; `asd doctor` checks it",
    ),
    _rule(
        r"dvc\.yaml' (?:is invalid|validation failed)[.\s]*(?P<what>[^\n]+?)(?:, line \d+|\n|$)",
        "dvc.yaml is not a pipeline: {what}",
        "take back the change, or copy the file from a new workspace (`asd init DIR --preset digits`)",
    ),
    _rule(
        r"failed to parse '(?P<where>[^']+)' in '(?P<file>[^']+)': Could not find '(?P<name>[^']+)'",
        "{file} uses {name} (in {where}), which params.yaml does not have",
        "add it to params.yaml, or take back the change of {file}",
    ),
    _rule(
        r"output '(?P<path>[^']+)' is already tracked by SCM",
        "git tracks {path}, which is a result that DVC keeps",
        "`git rm -r --cached {path}`, commit, then `asd run`",
    ),
    _rule(
        r"output '(?P<path>[^']+)' is specified in:",
        "two stages of dvc.yaml write {path}",
        "take back the change of dvc.yaml",
    ),
    _rule(
        r"Same item\(s\) are defined as both a dependency and an output in stages?: "
        r"(?P<stages>[^\n]+?)\.?(?:\n|$)",
        "stages of dvc.yaml wait for each other: {stages}",
        "take back the change of dvc.yaml",
    ),
    _rule(
        r"Some of the cache files do not exist neither locally nor on remote",
        "neither the cache nor the remote has some results, or the remote does not answer",
        "`asd run` makes them again; `dvc remote list` shows the address",
    ),
    _rule(
        r"Checkout failed for following targets:\n(?P<path>[^\n]+).*Is your cache up to date",
        "the cache lacks results such as {path}",
        "`asd run` makes them again, or `dvc pull` from a remote that has them",
    ),
    _rule(
        r"(?P<kind>\w+) is supported, but requires '(?P<package>[^']+)' to be installed",
        "the remote is of kind {kind}, for which a package is missing",
        "`pip install {package}` in the environment of asd",
    ),
    _rule(
        r"no remote specified|No remote provided",
        "no DVC remote is set in this workspace",
        "`dvc remote add -d NAME PLACE`; see docs/operations.md, Share results",
    ),
    _rule(
        r"failed to reproduce '(?P<stage>[^']+)': \[Errno 2\] No such file or directory: '(?P<path>[^']+)'",
        "stage {stage} needs {path}, which is not there",
        "`git checkout` brings back a file of yours, `asd lock` a missing source pointer; then `asd run`",
    ),
    _rule(
        r"\[Errno (?:13|1|30)\] (?P<why>[^:\n]+): '(?P<path>[^']+)'",
        "may not use {path} ({why})",
        "get the right to write it (`ls -ld {path}`), then `asd run`",
    ),
    _rule(
        r"\[Errno 20\] Not a directory: '(?P<path>[^']+?/\.dvc/cache)/",
        "{path} must be a folder and is a file",
        "move it away, then `asd run`",
    ),
    _rule(
        r"output '(?P<path>[^']+)' does not exist",
        "a stage ended well but did not write {path}",
        "take back the change of dvc.yaml, or mend the plug-in",
    ),
    _rule(
        r"not inside of a DVC repository",
        "this folder has no .dvc",
        "`asd init . --preset NAME` adds it beside your params.yaml",
    ),
    _rule(
        r"config file error: (?P<what>[^\n]+?)(?:: (?P=what))?(?:\n|$)",
        ".dvc/config (or config.local) cannot be read: {what}",
        "mend it, or delete it and run `asd init` again",
    ),
)

_PREFECT = (
    _rule(
        r"[Dd]isk is full|No space left on device|disk I/O error|Errno 28",
        "the disk is full",
        _FREE,
    ),
    _rule(
        r"address already in use",
        "its port was taken by another program just now",
        "`asd run` again takes another one",
        retry=True,
    ),
    _rule(
        r"unexpected keyword argument 'min_items'",
        "the FastAPI that is installed is too new for Prefect",
        "`pip install 'fastapi<0.151'`",
    ),
    _rule(
        r"file is not a database|database disk image is malformed",
        "its database in .asd/prefect is damaged",
        "delete .asd/prefect: it holds old runs' logs and no results",
    ),
    _rule(
        r"Can't locate revision identified by",
        "its database in .asd/prefect was made by another version of Prefect",
        "delete .asd/prefect: it holds old runs' logs and no results",
    ),
    _rule(
        r"PermissionError|Permission denied|unable to open database file|readonly database",
        "it may not write its database",
        "get the right to write .asd/prefect",
    ),
    _rule(
        r"ConnectionRefusedError|Connect call failed|ConnectionDoesNotExistError",
        "the database that PREFECT_SERVER_DATABASE_CONNECTION_URL names does not answer",
        "unset it, or start that database",
    ),
    _rule(
        r"validation errors? for \w*Settings\s+(?P<what>[^\n]+)\n\s*(?P<why>[^\[\n]+)",
        "a PREFECT_ setting is wrong: {what}: {why}",
        "`env | grep PREFECT_` shows them; unset the one that is wrong",
    ),
    _rule(
        r"Failed to reach API at (?P<url>\S+)",
        "no Prefect server answers at {url}",
        "unset PREFECT_API_URL, or start one: `prefect server start`",
        retry=True,
    ),
)


def explain_dvc(raw: str) -> Explained | None:
    """What a message of DVC means; None for one that is not known."""
    return _explain(_DVC, raw)


def explain_prefect(raw: str) -> Explained | None:
    """What a message or log of Prefect means; None for one that is not known."""
    return _explain(_PREFECT, raw)


def _explain(rules: tuple[_Rule, ...], raw: str) -> Explained | None:
    for rule in rules:
        found = rule.pattern.search(raw)
        if found:
            words = {name: " ".join((text or "").split()) for name, text in found.groupdict().items()}
            return Explained(
                rule.happened.format_map(words).rstrip(": "), rule.cure.format_map(words), rule.retry
            )
    return None
