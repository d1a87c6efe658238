"""`asd step`: the right dimensions, the right code, one writer."""

import subprocess
import sys
from pathlib import Path

import pytest

from asd import lifeline
from asd.cli import main
from asd.cli.step import step_item
from asd.errors import ParamsError
from asd.registry import step_module
from asd.steps import StepItem


@pytest.fixture
def ready(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert main(["lock", "--workspace", str(workspace)]) == 0
    return workspace


def fetch(root: Path) -> int:
    return main(["step", "fetch", "--dataset", "digits", "--workspace", str(root)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fetsh", "digits", None, None, None), r"no step 'fetsh'; did you mean 'fetch'\?"),
        (
            ("fetch", "digits", "badnets", None, None),
            "step fetch takes no --attack; it is given by: --dataset$",
        ),
        (("poison", "digits", None, None, None), "step poison needs --attack"),
        (("seed", "digits", "badnets", None, None), "step seed needs --trial"),
        (("stage1", "digits", "badnets", None, 0), "step stage1 needs --defense"),
    ],
)
def test_wrong_dimensions_are_named(
    words: tuple[str, str, str | None, str | None, int | None], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        step_item(*words)


def test_trial_0_counts_as_given() -> None:
    assert step_item("seed", "digits", "badnets", None, 0) == StepItem("digits", "badnets", None, 0)


def test_a_step_runs_with_workspace_and_item(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(
        step_module("fetch"),
        "run",
        lambda workspace, item, reporter: seen.extend([workspace.layout.root, item]),
    )
    assert fetch(ready) == 0
    assert seen == [ready, StepItem("digits")]


def test_an_unknown_variant_is_refused(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["step", "fetch", "--dataset", "digit", "--workspace", str(ready)]) == 2
    assert "no datasets.digit; did you mean 'digits'?" in capsys.readouterr().err


def test_code_that_asd_lock_does_not_name_is_refused(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = ready / "asd.lock"
    lock.write_text(lock.read_text().replace("fetch: ", "fetch: f"))
    assert fetch(ready) == 2
    said = capsys.readouterr().err
    assert "is not that of asd.lock (steps.fetch); run `asd run`, or `asd lock` and then `dvc repro`" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("started_by_dvc", "wanted"), [(True, 1), (False, 0)])
def test_only_a_step_that_dvc_started_dies_with_its_parent(
    ready: Path, monkeypatch: pytest.MonkeyPatch, started_by_dvc: bool, wanted: int
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(lifeline, "die_with_parent", lambda: calls.append(1))
    monkeypatch.setattr(step_module("fetch"), "run", lambda *_: None)
    if started_by_dvc:
        monkeypatch.setenv("DVC_STAGE", "fetch@digits")
    assert fetch(ready) == 0
    assert len(calls) == wanted


def test_a_step_that_does_not_train_imports_no_torch(ready: Path) -> None:
    code = (
        "import sys; from asd.cli import main; "
        f"code = main(['step', 'fetch', '--dataset', 'digits', '--workspace', {str(ready)!r}]); "
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
