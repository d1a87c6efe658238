"""An installed wheel is enough: a workspace elsewhere, no checkout, no git identity."""

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)], out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and, by path, the packages of this one."""
    place = tmp_path_factory.mktemp("venv")
    venv.create(place, with_pip=False)
    own = next((place / "lib").glob("python*")) / "site-packages"
    (own / "others.pth").write_text("\n".join(site.getsitepackages()))
    python = place / "bin" / "python"
    run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)],
        place,
    )
    return place


def run(command: list[str], cwd: Path, path: Path | None = None) -> str:
    keep = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    environment = {
        **keep,
        "PATH": f"{path}:/usr/bin:/bin" if path else os.environ["PATH"],
        "HOME": str(cwd),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_both_packages_the_presets_and_the_template(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "asd/cli/__init__.py",
        "flows/__init__.py",
        "asd/presets/digits.yaml",
        "asd/presets/_template/pipeline.yaml",
        "asd/presets/_template/gitignore",
        "asd/presets/_template/dvc_config",
        "asd/audit/templates/report.html.j2",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "data/"))]


def test_a_workspace_made_from_the_wheel_fetches_with_and_without_dvc(
    installed: Path, tmp_path: Path
) -> None:
    asd, python = str(installed / "bin" / "asd"), str(installed / "bin" / "python")
    where = run([python, "-c", "import asd; print(asd.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(installed)
    run(["git", "init", "-q"], tmp_path)
    run([asd, "init", "w", "--preset", "digits"], tmp_path, installed / "bin")
    root = tmp_path / "w"
    run([asd, "step", "fetch", "--dataset", "digits"], root, installed / "bin")
    assert (root / "data" / "fetched" / "digits" / "train" / "manifest.json").is_file()
    run([python, "-m", "dvc", "repro", "-q", "prepare@digits-badnets"], root, installed / "bin")
    assert (root / "data" / "prepared" / "digits" / "badnets" / "prepared.json").is_file()
    status = run(["git", "status", "--porcelain", "--untracked-files=all"], root)
    assert not [line for line in status.splitlines() if "data/" in line]
    assert "?? w/dvc.lock" in status or "?? dvc.lock" in status
