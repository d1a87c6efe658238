"""asd.lock: which edit of the code makes which step or variant stale. On a copy of the package."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from asd import code_lock
from asd.errors import ParamsError
from asd.params import load_workspace
from asd.params_file import set_params
from asd.steps import STEPS, StepItem

CELL = StepItem("digits", "badnets", "asd", 0)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = tmp_path_factory.mktemp("code") / "asd"
    shutil.copytree(code_lock.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


@pytest.fixture
def package(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "asd"))


@pytest.fixture
def changed_by(package: Path, workspace: Path) -> Callable[[str, str], list[str]]:
    """Append a line to a file of the package; returns what changed in asd.lock."""
    opened = load_workspace(workspace)
    code_lock.refresh(opened, package)

    def edit(name: str, line: str = "# edited\n") -> list[str]:
        file = package / name
        file.write_text((file.read_text() if file.exists() else "") + line)
        return code_lock.refresh(opened, package)

    return edit


Edit = Callable[..., list[str]]


def test_refreshing_twice_changes_nothing(changed_by: Edit, workspace: Path, package: Path) -> None:
    before = (workspace / "asd.lock").stat().st_mtime_ns
    assert code_lock.refresh(load_workspace(workspace), package) == []
    assert (workspace / "asd.lock").stat().st_mtime_ns == before


def test_the_file_has_every_step_and_every_variant(changed_by: Edit, workspace: Path) -> None:
    recorded = yaml.safe_load((workspace / "asd.lock").read_text())
    assert {kind: set(names) for kind, names in recorded.items()} == {
        "steps": set(STEPS),
        "datasets": {"digits"},
        "attacks": {"badnets"},
        "defenses": {"none", "asd"},
    }


def test_adding_an_attack_changes_nothing(changed_by: Edit) -> None:
    assert changed_by("attacks/brand_new.py", '"""New."""\n') == []


def test_editing_an_attack_changes_that_attack_alone(changed_by: Edit) -> None:
    assert changed_by("attacks/badnets.py") == ["attacks.badnets"]


def test_editing_another_attack_changes_nothing(changed_by: Edit) -> None:
    assert changed_by("attacks/none.py") == []


def test_editing_a_shared_file_of_the_attacks_changes_who_imports_it(changed_by: Edit) -> None:
    assert changed_by("attacks/_trigger.py") == ["attacks.badnets"]


def test_editing_the_engine_changes_the_defense_that_uses_it(changed_by: Edit) -> None:
    assert changed_by("semisup/mixmatch.py") == ["defenses.asd"]


def test_editing_the_network_changes_every_defense(changed_by: Edit) -> None:
    assert changed_by("models/small_resnet.py") == ["defenses.asd", "defenses.none"]


def test_editing_another_network_changes_nothing(changed_by: Edit) -> None:
    assert changed_by("models/resnet18.py") == []


def test_editing_one_step_changes_that_step(changed_by: Edit) -> None:
    assert changed_by("steps/seed.py") == ["steps.seed"]


def test_editing_the_training_loop_changes_stages_and_not_the_data(changed_by: Edit) -> None:
    changed = changed_by("training/stage_run.py")
    assert {"steps.stage1", "steps.stage2", "steps.stage3", "defenses.asd"} <= set(changed)
    assert not {"steps.fetch", "steps.prepare", "steps.poison", "steps.seed"} & set(changed)


def test_editing_the_template_of_the_report_changes_the_audit_alone(changed_by: Edit) -> None:
    assert changed_by("audit/templates/report.html.j2") == ["steps.audit"]


@pytest.mark.parametrize(
    "name", ["cli/step.py", "cli/__init__.py", "errors.py", "progress.py", "code_lock.py", "step_lock.py"]
)
def test_the_command_line_and_the_messages_count_for_nothing(changed_by: Edit, name: str) -> None:
    assert changed_by(name) == []


def test_line_ends_count_for_nothing(changed_by: Edit, package: Path, workspace: Path) -> None:
    file = package / "attacks" / "badnets.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert code_lock.refresh(load_workspace(workspace), package) == []


def test_a_plugin_of_the_workspace_counts(workspace: Path) -> None:
    own = workspace / "plugins" / "attacks" / "mine.py"
    own.parent.mkdir(parents=True)
    shutil.copy(code_lock.PACKAGE / "attacks" / "badnets.py", own)
    set_params(workspace, ["cells.attacks=[badnets, mine]"])
    code_lock.refresh(load_workspace(workspace))
    own.write_text(own.read_text() + "# edited\n")
    assert code_lock.refresh(load_workspace(workspace)) == ["attacks.mine"]


def test_naming_another_plugin_changes_the_variant(workspace: Path) -> None:
    code_lock.refresh(load_workspace(workspace))
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text.replace("use: small_resnet", "use: resnet18"))
    assert code_lock.refresh(load_workspace(workspace)) == ["defenses.asd", "defenses.none"]


def test_the_default_engine_counts_like_a_named_one(workspace: Path) -> None:
    code_lock.refresh(load_workspace(workspace))
    text = (workspace / "params.yaml").read_text()
    without = [line for line in text.splitlines(keepends=True) if "engine: mixmatch" not in line]
    (workspace / "params.yaml").write_text("".join(without))
    assert len(without) == len(text.splitlines()) - 1
    assert code_lock.refresh(load_workspace(workspace)) == []


@pytest.mark.parametrize("wrong", ["hello", [1], 3])
def test_a_section_that_is_none_is_left_to_the_check_of_params(workspace: Path, wrong: object) -> None:
    params = yaml.safe_load((workspace / "params.yaml").read_text())
    params["attacks"]["badnets"]["prepare"] = wrong
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    code_lock.refresh(load_workspace(workspace))
    with pytest.raises(ParamsError, match=r"attacks\.badnets\.prepare: "):
        load_workspace(workspace).variant("attacks", "badnets")


def test_a_plugin_that_is_missing_is_an_error_that_names_the_nearest(workspace: Path) -> None:
    text = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(text.replace("engine: mixmatch", "engine: mixmatsch"))
    with pytest.raises(ParamsError, match=r"'mixmatsch'; did you mean 'mixmatch'\?"):
        code_lock.refresh(load_workspace(workspace))


def test_a_step_differs_only_by_what_it_runs(changed_by: Edit, workspace: Path, package: Path) -> None:
    opened = load_workspace(workspace)
    file = package / "attacks" / "badnets.py"
    file.write_text(file.read_text() + "# edited\n")
    assert code_lock.differences(opened, "poison", CELL, package) == ["attacks.badnets"]
    assert code_lock.differences(opened, "stage1", CELL, package) == []


def test_without_asd_lock_everything_differs(workspace: Path) -> None:
    found = code_lock.differences(load_workspace(workspace), "stage1", CELL)
    assert found == ["steps.stage1", "defenses.asd"]


def test_a_broken_asd_lock_names_the_cure(workspace: Path) -> None:
    (workspace / "asd.lock").write_text("steps: [")
    with pytest.raises(ParamsError, match=r"not valid YAML; delete it and run `asd lock`"):
        code_lock.refresh(load_workspace(workspace))
