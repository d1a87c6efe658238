"""The first hour at a small scale, in every form in which data may come: digits as mixed-size JPEGs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.first_hour.service import NEEDED
from tests.first_hour.shell import Shell
from tests.first_hour.vendor import FORMS
from tests.first_hour.walk import setting, walk

CLONE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment that docs/ship.md describes: neither Prefect nor DVC."""
    place = tmp_path_factory.mktemp("service") / "env"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    for words in (NEEDED.split(), ["--no-deps", str(CLONE)]):
        subprocess.run([str(place / "bin/pip"), "install", "--quiet", *words], check=True)
    absent = "import importlib.util as u; print([n for n in ('prefect', 'dvc') if u.find_spec(n)])"
    asked = [str(place / "bin/python"), "-c", absent]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "[]\n"
    return place / "bin/python"


@pytest.mark.walk
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", FORMS)
def test_from_a_vendors_data_to_a_served_model(form: str, service: Path, tmp_path: Path) -> None:
    shell = Shell(tmp_path, Path(sys.executable).parent, CLONE)
    outcome = walk(shell, setting("digits"), form, service)
    undefended, defended = outcome.undefended, outcome.defended
    assert undefended["obeyed"] > 0.5 * undefended["triggered"], "the trigger is not worth defending against"
    assert defended["obeyed"] < 0.1 * defended["triggered"]
    assert defended["right"] > 0.9 * defended["of"]
    assert outcome.trusted["samples"] > 500
    assert outcome.trusted["stamped"] <= 0.01 * outcome.trusted["samples"]
    assert outcome.served["class"] == outcome.predicted["class"]
    assert outcome.served["probability"] == pytest.approx(outcome.predicted["probability"], abs=1e-4)
    assert outcome.refused == 400
