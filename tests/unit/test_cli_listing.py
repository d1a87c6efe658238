"""`asd list`: names and a line on each, without importing a plug-in."""

import json
from pathlib import Path

import pytest

from asd.cli import main
from asd.registry import KINDS, Registry


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_is_listed_with_the_first_line_of_its_docstring(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == Registry(kind).names()
    assert [row["name"] for row in rows if not row["about"]] == []


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["cifar10", "cifar10-cpu", "digits"]
    assert all(len(line.split()) > 3 for line in lines)


def test_a_plugin_of_the_workspace_is_listed_and_not_run(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = workspace / "plugins" / "attacks" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text('"""My own trigger.\n\nMore."""\nraise SystemExit(9)\n')
    assert main(["list", "attacks", "--workspace", str(workspace)]) == 0
    assert "mine     My own trigger.\n" in capsys.readouterr().out


def test_an_unknown_kind_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "atacks"]) == 2
    assert "nothing is called 'atacks'; did you mean 'attacks'?" in capsys.readouterr().err
