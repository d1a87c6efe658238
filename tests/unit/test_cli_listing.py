"""`asd list`: names and a line on each, without importing a plug-in."""

import json
import re
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
    assert [line.split()[0] for line in lines] == [
        "attacks-cpu",
        "cifar10",
        "cifar10-cpu",
        "digits",
        "drops",
        "gtsrb",
        "gtsrb-cpu",
        "imagenet-subset",
        "imagenet-subset-cpu",
        "reproduce",
        "reproduce-cpu",
        "vggface2",
        "vggface2-cpu",
    ]
    assert all(len(line.split()) > 3 for line in lines)


def test_a_plugin_of_the_workspace_is_listed_and_not_run(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = workspace / "plugins" / "attacks" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text('"""My own trigger.\n\nMore."""\nraise SystemExit(9)\n')
    assert main(["list", "attacks", "--workspace", str(workspace)]) == 0
    assert re.search(r"^mine +My own trigger\.$", capsys.readouterr().out, re.MULTILINE)


def test_an_unknown_kind_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "atacks"]) == 2
    assert "nothing is called 'atacks'; did you mean 'attacks'?" in capsys.readouterr().err


def test_the_layers_of_a_network_are_printed_with_the_last_three_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list", "models", "resnet18"]) == 0
    out = capsys.readouterr().out
    assert "resnet18: 11,173,962 weights for 3 channels and 10 classes" in out
    starred = [line.split()[1] for line in out.splitlines() if line.startswith("* ")]
    assert starred == ["layer3", "layer4", "head", "last"]


def test_the_layers_are_those_of_the_params_of_the_workspace(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["list", "models", "small_resnet", "--workspace", str(workspace), "--json"]
    assert main(words) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["last_three"] == [layer["name"] for layer in facts["layers"]][-3:]
    assert facts["weights"] == sum(layer["weights"] for layer in facts["layers"])


def test_the_layers_of_a_network_of_timm_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm", reason="timm is not installed: pip install timm")
    assert main(["list", "models", "timm/resnet18", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["last_three"] == ["body.layer3", "body.layer4", "head"]


def test_a_network_that_needs_a_name_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "models", "timm"]) == 2
    assert "asd list models timm/NAME" in capsys.readouterr().err


def test_only_models_have_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "attacks", "badnets"]) == 2
    assert "only models have layers" in capsys.readouterr().err
