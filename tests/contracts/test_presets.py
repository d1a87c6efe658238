"""The shipped files at the root are the packaged ones, so that a clone and a wheel start alike."""

from pathlib import Path

import pytest
import yaml

from asd import code_lock
from asd.new_workspace import PRESETS, presets
from asd.params import load_workspace
from asd.params_file import check_variants, complete_params
from asd.readiness import TEMPLATE

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("packaged", "shipped"),
    [
        (TEMPLATE / "pipeline.yaml", "dvc.yaml"),
        (PRESETS / "digits.yaml", "params.yaml"),
        (TEMPLATE / "dvcignore", ".dvcignore"),
        (TEMPLATE / "prefect.yaml", "prefect.yaml"),
        (TEMPLATE / "dvc_gitignore", ".dvc/.gitignore"),
        (TEMPLATE / "seeds_readme.md", "seeds/README.md"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_file_at_the_root_equals_the_packaged_one(packaged: Path, shipped: str) -> None:
    assert (ROOT / shipped).read_text() == packaged.read_text()


def test_dvc_at_the_root_leaves_git_alone() -> None:
    """DVC refuses a dvc.lock that git ignores; `make demo` must write one and leave a clean tree."""
    wanted = (TEMPLATE / "dvc_config").read_text() + "    no_scm = true\n"
    assert (ROOT / ".dvc" / "config").read_text() == wanted


def test_the_root_ignores_at_least_what_a_workspace_ignores() -> None:
    def ignored(file: Path) -> set[str]:
        lines = file.read_text().splitlines()
        return {line.strip("/") for line in lines if line and not line.startswith("#")}

    assert ignored(TEMPLATE / "gitignore") <= ignored(ROOT / ".gitignore")


@pytest.mark.parametrize("preset", presets())
def test_a_preset_is_valid_and_whole(tmp_path: Path, preset: str) -> None:
    (tmp_path / "params.yaml").write_bytes((PRESETS / f"{preset}.yaml").read_bytes())
    assert complete_params(tmp_path) == []
    check_variants(load_workspace(tmp_path))


@pytest.mark.parametrize(
    ("preset", "ends", "network"),
    [
        ("cifar10", (60, 90, 120), {"use": "resnet18"}),
        ("gtsrb", (60, 90, 100), {"use": "resnet18"}),
        ("imagenet-subset", (60, 90, 120), {"use": "resnet18", "form": "imagenet"}),
        ("vggface2", (60, 90, 120), {"use": "densenet121"}),
    ],
)
def test_a_preset_at_paper_scale_has_the_papers_lengths_and_network(
    preset: str, ends: tuple[int, int, int], network: dict[str, str]
) -> None:
    params = yaml.safe_load((PRESETS / f"{preset}.yaml").read_text())
    asd = params["defenses"]["asd"]
    assert (asd["stage1"]["end"], asd["stage2"]["end"], asd["common"]["last_epoch"]) == ends
    assert params["model"] == network
    assert (asd["common"]["batch"], asd["common"]["iterations"], asd["common"]["w"]) == (64, 1024, 10)


@pytest.mark.parametrize("preset", ["gtsrb", "gtsrb-cpu"])
def test_no_preset_mirrors_traffic_signs(preset: str) -> None:
    assert yaml.safe_load((PRESETS / f"{preset}.yaml").read_text())["training"]["augment"]["flip"] is False


def test_the_shipped_cells_show_the_undefended_twin_beside_the_defended_model() -> None:
    cells = yaml.safe_load((ROOT / "params.yaml").read_text())["cells"]
    assert cells == {
        "datasets": ["digits"],
        "attacks": ["badnets"],
        "defenses": ["none", "asd"],
        "trials": [0],
    }


def test_the_committed_asd_lock_is_that_of_the_code() -> None:
    """If this fails, run `asd lock` at the root: `make demo` must leave a clean tree."""
    workspace = load_workspace(ROOT)
    recorded = yaml.safe_load(workspace.layout.code_lock.read_text())
    assert recorded == code_lock.current(workspace)


def test_the_committed_pointers_are_those_of_the_shipped_cells() -> None:
    assert {file.stem for file in (ROOT / "sources").glob("*.json")} == {"digits", "seeds"}
