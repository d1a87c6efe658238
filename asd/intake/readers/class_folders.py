"""Pictures in one folder a class: `cat/1.jpg`, also below one folder of the drop's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asd.intake.readers.entry import Entry, File, Limits, read_file


class CommonFolder:
    """The one folder below which a whole drop lies, if there is one; told file by file.

    A folder that is a class, or that holds a picture itself, is a class folder and not the drop's.
    """

    def __init__(self, class_names: tuple[str, ...] | None) -> None:
        self._names = set(class_names or ())
        self._first: str | None = None
        self._shared = True

    def see(self, name: str) -> None:
        """Take one name into account."""
        parts = name.split("/", 2)
        if self._first is None:
            self._first = parts[0]
        if len(parts) < 3 or parts[0] != self._first or parts[0] in self._names:
            self._shared = False

    @property
    def prefix(self) -> str:
        """It with a slash, or nothing."""
        return f"{self._first}/" if self._shared and self._first else ""


def read_class_folders(files: Iterable[File], prefix: str, limits: Limits) -> Iterator[Entry]:
    """Each file with the name of its class folder."""
    for file in files:
        folder, slash, _ = file.name.removeprefix(prefix).partition("/")
        yield read_file(file, folder if slash else None, limits)
