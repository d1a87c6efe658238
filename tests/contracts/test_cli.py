"""Every command explains itself, and asking for help is cheap."""

import json
import subprocess
import sys

import pytest
import typer

from asd.cli import app, main

HEAVY = ("torch", "torchvision", "prefect", "dvc", "pandas", "pyarrow", "numpy", "pydantic", "sklearn")
COMMANDS = {
    ("init",): ("--preset", "--data", "--labels", "--image-size", "--json"),
    ("run",): ("--dry-run", "--json", "--accept-risk"),
    ("status",): ("--json",),
    ("table",): ("--json", "--over", "--format"),
    ("list",): ("--json",),
    ("export",): ("--json", "--format", "--only", "--cell", "--attack", "--with-truth"),
    ("new",): ("--json",),
    ("check",): ("--json", "--kind", "--no-cell"),
    ("step",): (),
    ("lock",): ("--json",),
    ("verify",): ("--json",),
    ("doctor",): ("--json",),
    ("clean",): ("--dry-run", "--json"),
    ("source", "set"): (),
    ("drop", "add"): ("--json", "--name", "--source", "--labels"),
    ("drop", "check"): ("--json", "--labels"),
    ("drop", "list"): ("--json",),
    ("drop", "show"): ("--json",),
    ("drop", "report"): ("--out",),
    ("drop", "readmit"): ("--json", "--reason", "--by", "--note", "--label"),
    ("drop", "accept"): ("--json", "--by", "--note"),
    ("drop", "withdraw"): ("--json", "--by", "--note"),
    ("drop", "restore"): ("--json", "--by", "--note"),
    ("seeds", "sheet"): ("--json", "--dataset", "--per-class", "--source"),
    ("seeds", "add"): ("--json", "--dataset", "--class", "--by", "--key"),
    ("seeds", "list"): ("--json", "--dataset"),
    ("seeds", "check"): ("--json", "--dataset"),
    ("seeds", "candidates"): ("--json", "--dataset"),
    ("attack", "preview"): ("--json", "--dataset", "--out", "--count", "--train", "--force"),
    ("serve",): ("--host", "--port", "--prefect-port", "--no-runner"),
    ("reproduce",): ("--json", "--run", "--no-run", "--dry-run", "--engine", "--jobs", "--out"),
    ("rehearse",): ("--json", "--attacks", "--fraction", "--cell", "--target", "--if-due"),
    ("audit", "summary"): ("--json",),
    ("audit", "sample"): ("--json", "--cell"),
    ("audit", "pool"): ("--json", "--cell", "--verdict", "--class", "--source", "--limit", "--sort"),
    ("audit", "sql"): ("--json", "--cell"),
    ("audit", "diff"): ("--json", "--limit"),
    ("audit", "export"): ("--json", "--cell", "--keys-only", "--overwrite"),
    ("audit", "confirm"): ("--json", "--cell", "--as", "--by", "--note"),
    ("audit", "evidence"): ("--json",),
    ("audit", "sign"): ("--json", "--by", "--decision", "--note", "--key"),
    ("audit", "verify"): ("--json", "--signers", "--allow-unsigned", "--workspace"),
    ("audit", "serve"): (),
    ("audit", "token"): (),
    ("bench", "audit"): ("--json", "--samples", "--epochs"),
    ("bench", "poison"): ("--json", "--attack", "--images", "--poisoned"),
    ("bench", "intake"): ("--json", "--images", "--form"),
    ("bench", "sift"): ("--json", "--attack", "--trials"),
    ("model", "export"): ("--format", "--json"),
    ("model", "list"): ("--json",),
    ("model", "promote"): (),
    ("model", "rollback"): (),
    ("predict",): ("--json",),
}

NO_WORKSPACE = (("init",), ("bench", "audit"), ("bench", "intake"), ("bench", "poison"))


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = f"import asd.cli, json, sys; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_table_of_commands_in_this_test_is_whole() -> None:
    names = {command.name for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    assert names == {words[0] for words in COMMANDS}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_starts_with_the_command(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"Example: asd {' '.join(words)}" in text


@pytest.mark.parametrize(("words", "options"), COMMANDS.items())
def test_help_lists_what_the_command_promises(
    words: tuple[str, ...], options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, "--help"])
    text = capsys.readouterr().out
    wanted = options if words in NO_WORKSPACE else (*options, "--workspace")
    assert [option for option in wanted if option not in text] == []


def test_tracebacks_of_typer_are_off() -> None:
    assert app.pretty_exceptions_enable is False
    assert isinstance(app, typer.Typer)


def test_the_help_of_seeds_says_what_was_measured_with_poisoned_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["seeds", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "about 10 images per class whose picture and label you vouch for" in text
    assert "because a trigger can be invisible" in text
    assert "with 1 to 3 of them the defense held" in text
    assert "with 4 it broke under Blend (attack success 99.9%) and CLB (98.9%)" in text
