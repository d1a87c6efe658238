"""What a person sees and which code the shell gets when a command does not succeed."""

import errno
from pathlib import Path

import pytest
import typer

from asd.cli import main
from asd.cli.failure import exit_code_for
from asd.errors import AsdError, BusyError, DataError, DiskError, GateError, ParamsError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ParamsError("x"), 2),
        (BusyError("x"), 2),
        (DataError("x"), 3),
        (DiskError("x"), 3),
        (GateError("x"), 4),
        (AsdError("x"), 1),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_own_exit_code(
    error: AsdError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_for(error) == code
    assert capsys.readouterr().err == "asd: x\n"


def test_names_of_strangers_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_for(DataError("a\x1b[2Jb\u202ec is damaged\nsend it again")) == 3
    assert capsys.readouterr().err == "asd: a\ufffd[2Jb\ufffdc is damaged\nsend it again\n"


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_for(KeyboardInterrupt()) == 130
    assert exit_code_for(typer.Abort()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_an_exit_keeps_its_code() -> None:
    assert exit_code_for(typer.Exit(4)) == 4
    assert exit_code_for(SystemExit(3)) == 3


def test_a_full_disk_anywhere_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_for(OSError(errno.ENOSPC, "No space left on device", "data/x")) == 3
    assert capsys.readouterr().err == "asd: data/x: No space left on device\n"


def test_a_bug_says_so_and_keeps_its_traceback_in_the_workspace(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    assert exit_code_for(_raised(KeyError("lost"))) == 1
    said = capsys.readouterr().err
    kept = workspace / ".asd" / "last-error.txt"
    assert said == f"asd: this is a bug of asd: KeyError: 'lost'\nasd: the traceback is in {kept}\n"
    assert "KeyError: 'lost'" in kept.read_text()
    assert "Traceback (most recent call last)" in kept.read_text()


def test_a_bug_outside_of_a_workspace_says_how_to_see_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code_for(_raised(KeyError("lost"))) == 1
    assert "run `asd --verbose ...` for the traceback" in capsys.readouterr().err


def test_the_traceback_is_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASD_DEBUG", "1")
    assert exit_code_for(_raised(KeyError("lost"))) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["step"], "Missing argument 'NAME'"),
        (["--nope"], "No such option: --nope"),
        (["stpe"], "No such command 'stpe'"),
        (["step", "fetch", "--dataset", "digits", "--trial", "x"], "--trial"),
    ],
)
def test_wrong_arguments_end_with_2_in_one_line(
    words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert part in said
    assert said.count("\n") == 1


def test_no_command_at_all_prints_the_help_and_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_outside_of_a_workspace_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["table"]) == 2
    assert "`asd init DIR --preset digits`" in capsys.readouterr().err


def test_the_workspace_above_is_found_from_a_folder_below(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    below = workspace / "sources"
    monkeypatch.chdir(below)
    assert main(["lock"]) == 0
    assert (workspace / "asd.lock").is_file()


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "params.yaml").touch()
    assert main(["lock", "--workspace", str(tmp_path)]) == 2
    assert "it has no dvc.yaml" in capsys.readouterr().err


def _raised(error: Exception) -> Exception:
    """The same error with a traceback."""
    try:
        raise error
    except Exception as caught:
        return caught
