"""What DVC reruns after which change, with the real dvc and steps that only write a word."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from asd.new_workspace import create

# In place of `asd`: writes every out of the stage and notes who started it.
STUB = """#!{python}
import os, sys
from pathlib import Path
import yaml
words = dict(zip(sys.argv[3::2], sys.argv[4::2]))
stage = yaml.safe_load(Path("dvc.yaml").read_text())["stages"][sys.argv[2]]
for out in stage["outs"] + stage.get("metrics", []):
    for key, value in words.items():
        out = out.replace("${{item." + key[2:] + "}}", value)
    file = Path(out) if Path(out).suffix else Path(out) / "content"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{{}}")
starter = Path(f"/proc/{{os.getppid()}}/cmdline").read_text().replace(chr(0), " ")
with Path(".asd/starters").open("a") as log:
    words = (sys.argv[2], os.environ["ASD_PARENT"], str(os.getppid()), starter)
    log.write("\\t".join(words) + "\\n")
"""

# Runs in a process of its own: applies each edit, asks dvc, and puts the file back.
ASK = """
import json, sys
from pathlib import Path
from dvc.repo import Repo
found = {}
for name, (file, old, new) in json.load(sys.stdin).items():
    before = Path(file).read_text()
    assert before.count(old) == 1, (name, before.count(old))
    Path(file).write_text(before.replace(old, new))
    with Repo() as repo:
        found[name] = sorted(repo.status())
    Path(file).write_text(before)
print(json.dumps(found))
"""

ASD = "digits-badnets-asd-0"
NONE = "digits-badnets-none-0"
STAGES = ("stage1", "stage2", "stage3")

EDITS: dict[str, tuple[tuple[str, str, str], list[str]]] = {
    "nothing": (("params.yaml", "cells:  ", "cells: "), []),
    "n": (("params.yaml", "\n      n: 5 ", "\n      n: 6 "), [f"stage1@{ASD}"]),
    "alpha": (("params.yaml", "alpha: 0.5", "alpha: 0.4"), [f"stage2@{ASD}"]),
    "gamma": (("params.yaml", "gamma: 0.5", "gamma: 0.6"), [f"stage3@{ASD}"]),
    "w": (("params.yaml", "w: 10 ", "w: 9 "), [f"audit@{ASD}", *(f"{s}@{ASD}" for s in STAGES)]),
    "fraction": (("params.yaml", "poison_fraction: 0.05", "poison_fraction: 0.1"), ["poison@digits-badnets"]),
    "prepare": (
        ("params.yaml", "    prepare: {}", "    prepare: {x: 1}"),
        ["poison@digits-badnets", "prepare@digits-badnets"],
    ),
    "poison seed": (
        ("params.yaml", "poison_seed: 0", "poison_seed: 1"),
        ["poison@digits-badnets", "prepare@digits-badnets"],
    ),
    "random seed": (
        ("params.yaml", "random_seed: 100", "random_seed: 101"),
        ["seed@digits-badnets-0", *(f"{s}@{cell}" for s in STAGES for cell in (ASD, NONE))],
    ),
    "seeds": (("params.yaml", "use: oracle", "use: keys"), ["seed@digits-badnets-0"]),
    "training": (
        ("params.yaml", "precision: float32", "precision: bf16"),
        ["seed@digits-badnets-0", *(f"{s}@{cell}" for s in STAGES for cell in (ASD, NONE))],
    ),
    "weights": (
        ("params.yaml", "  use: small_resnet", f"  use: small_resnet\n  weights_sha256: {'0' * 64}"),
        ["seed@digits-badnets-0", *(f"{s}@{cell}" for s in STAGES for cell in (ASD, NONE))],
    ),
    "source": (("sources/digits.json", "embedded", "folder"), ["fetch@digits"]),
    "seed source": (("sources/seeds.json", "embedded", "folder"), ["seed@digits-badnets-0"]),
    "exclusions": (("reviews/exclusions.csv", ",note", ",note "), ["fetch@digits"]),
    "people's seeds": (("seeds/README.md", "# Seeds", "# Our seeds"), ["seed@digits-badnets-0"]),
    "attack code": (
        ("asd.lock", "  badnets: ", "  badnets: e"),
        ["poison@digits-badnets", "prepare@digits-badnets"],
    ),
    "defense code": (
        ("asd.lock", "  asd: ", "  asd: e"),
        [f"{s}@{ASD}" for s in ("audit", "evaluate", *STAGES)],
    ),
    "step code": (("asd.lock", "  seed: ", "  seed: e"), ["seed@digits-badnets-0"]),
    "trials": (
        ("params.yaml", "trials: [0] ", "trials: [0, 1] "),
        [
            "seed@digits-badnets-1",
            *(f"{s}@digits-badnets-{d}-1" for s in (*STAGES, "evaluate", "audit") for d in ("asd", "none")),
        ],
    ),
}


def environment(shell: str = "/bin/sh") -> dict[str, str]:
    """No `asd` on the path: the pipeline must find the one of the workspace."""
    return {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": "/usr/bin:/bin", "SHELL": shell}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which every stage has run once."""
    root = create(tmp_path_factory.mktemp("staleness") / "w", "digits").root
    stub = root / ".venv" / "bin" / "asd"
    stub.parent.mkdir(parents=True)
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    dvc(root, "repro", "-q")
    return root


def dvc(root: Path, *words: str, shell: str = "/bin/sh") -> str:
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, env=environment(shell)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stale(workspace: Path) -> dict[str, list[str]]:
    edits = json.dumps({name: edit for name, (edit, _) in EDITS.items()})
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=workspace, input=edits, capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("name", "wanted"), [(name, wanted) for name, (_, wanted) in EDITS.items()])
def test_a_change_makes_stale_what_reads_it_and_nothing_else(
    stale: dict[str, list[str]], name: str, wanted: list[str]
) -> None:
    assert stale[name] == sorted(wanted)


def test_every_stage_was_started_by_dvc_itself_without_a_shell_between(workspace: Path) -> None:
    lines = [line.split("\t") for line in (workspace / ".asd" / "starters").read_text().splitlines()]
    assert len(lines) >= 14
    for step, said, parent, starter in lines:
        assert said == parent, step
        assert " -m dvc " in starter, starter


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_the_command_works_in_either_shell(workspace: Path, shell: str) -> None:
    if not Path(shell).exists():
        pytest.skip(f"no {shell} here")
    dvc(workspace, "repro", "-q", "-f", "--single-item", "fetch@digits", shell=shell)
    step, said, parent, starter = (workspace / ".asd" / "starters").read_text().splitlines()[-1].split("\t")
    assert (step, said) == ("fetch", parent)
    assert " -m dvc " in starter
