"""The import graph, read from sources that are never run."""

from pathlib import Path

import pytest

from asd.errors import DataError
from asd.imports import PackageImports


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package `toy`; running any of its files would fail."""
    root = tmp_path / "toy"
    files = {
        "__init__.py": "",
        "a.py": "raise SystemExit\nimport json\nimport toy.b\n",
        "b.py": "from toy import c\nfrom toy.sub import inner\nfrom toy.sub.other import name\n",
        "c.py": "def late():\n    from toy.d import x\n",
        "d.py": "import toy.a\n",
        "typed.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import toy.d\nelse:\n    import toy.e\n"
        ),
        "typed2.py": "import typing\nif typing.TYPE_CHECKING:\n    import toy.d\n",
        "e.py": "",
        "lonely.py": "",
        "sub/__init__.py": "from toy.e import x\n",
        "sub/inner.py": "from . import other\nfrom .. import lonely\n",
        "sub/other.py": "name = 1\n",
        "broken.py": "def\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(text)
    return root


def closure(package: Path, name: str) -> list[str]:
    return [module.removeprefix("toy") for module in PackageImports(package).closure(package / name)]


def test_the_closure_follows_packages_names_functions_and_cycles(package: Path) -> None:
    assert closure(package, "a.py") == [
        "", ".a", ".b", ".c", ".d", ".e", ".lonely", ".sub", ".sub.inner", ".sub.other",
    ]  # fmt: skip


def test_relative_imports_are_resolved(package: Path) -> None:
    assert closure(package, "sub/inner.py") == ["", ".e", ".lonely", ".sub", ".sub.inner", ".sub.other"]


def test_imports_for_the_type_checker_do_not_count(package: Path) -> None:
    assert closure(package, "typed.py") == ["", ".e", ".typed"]
    assert closure(package, "typed2.py") == ["", ".typed2"]


def test_a_file_outside_of_the_package_is_followed_into_it(package: Path, tmp_path: Path) -> None:
    own = tmp_path / "plugins" / "attacks" / "mine.py"
    own.parent.mkdir(parents=True)
    own.write_text("from toy import e\nimport os\n")
    assert list(PackageImports(package).closure(own)) == ["attacks/mine.py", "toy", "toy.e"]


def test_a_file_that_is_not_python_is_named_with_its_line(package: Path) -> None:
    with pytest.raises(DataError, match=r"broken\.py, line 1: not valid Python"):
        PackageImports(package).closure(package / "broken.py")
