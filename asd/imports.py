"""Which files of a package a file imports, read from the source without running it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from asd.errors import DataError


class PackageImports:
    """The import graph of one package, `root` being its folder (the one with `__init__.py`)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._direct = functools.cache(self._read_direct)

    def closure(self, file: Path) -> dict[str, Path]:
        """Module name -> file for everything that `file` imports of the package, and itself.

        Imports inside functions count; those under `if TYPE_CHECKING:` do not. The packages
        that a module lies in count too, since Python runs their `__init__.py`. A file
        outside the package goes by `<its folder>/<its name>`.
        """
        found: dict[str, Path] = {}
        waiting = [(self.name_of(file), file)]
        while waiting:
            name, path = waiting.pop()
            if name not in found:
                found[name] = path
                waiting.extend(self._direct(name, path).items())
        return dict(sorted(found.items()))

    def name_of(self, file: Path) -> str:
        """The module name of a file of the package; `<folder>/<file>` for any other."""
        if not file.is_relative_to(self.root):
            return f"{file.parent.name}/{file.name}"
        parts = [self.root.name, *file.relative_to(self.root).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def file_of(self, module: str) -> Path | None:
        """The file that defines `module`, or None if it is not of this package."""
        first, *rest = module.split(".")
        if first != self.root.name:
            return None
        place = self.root.joinpath(*rest)
        for file in (place.with_suffix(".py") if rest else None, place / "__init__.py"):
            if file is not None and file.is_file():
                return file
        return None

    def _read_direct(self, name: str, path: Path) -> dict[str, Path]:
        found: dict[str, Path] = {}
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for module in [name, *_imported(_parse(path), package)]:
            words = module.split(".")
            for length in range(1, len(words) + 1):
                part = ".".join(words[:length])
                file = self.file_of(part)
                if file is not None:
                    found[part] = file
        return found


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        raise DataError(f"{path}, line {error.lineno}: not valid Python: {error.msg}") from error


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that `tree` may import; `from a import b` gives both `a` and `a.b`."""
    for node in _running_code(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _running_code(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other
                yield from _running_code(other)
        else:
            yield child
            yield from _running_code(child)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
