"""Pictures in one folder a class: `cat/1.jpg`, also below one folder of the drop's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asd.intake.readers.entry import Entry, File, Limits, read_file


class CommonFolder:
    """The one folder below which a whole drop lies, if there is one; told file by file.

    A folder that is a class, or that holds a picture itself, is a class folder and not the drop's.
    What is beside the class folders and no picture, such as a README, does not count.
    """

    def __init__(self, class_names: tuple[str, ...] | None) -> None:
        self._names = set(class_names or ())
        self._first: str | None = None
        self._shared = self._deep = True

    def see(self, name: str, *, picture: bool) -> None:
        """Take one name into account."""
        parts = name.split("/", 2)
        if self._first is None:
            self._first = parts[0]
        self._shared &= len(parts) > 1 and parts[0] == self._first
        if picture:
            self._deep &= len(parts) > 2 and parts[0] not in self._names

    @property
    def shared(self) -> str:
        """The folder that all names begin with, with a slash, or nothing."""
        return f"{self._first}/" if self._shared and self._first else ""

    @property
    def prefix(self) -> str:
        """The same, unless it is a class folder itself."""
        return self.shared if self._deep else ""


def read_class_folders(files: Iterable[File], prefix: str, limits: Limits) -> Iterator[Entry]:
    """Each file with the name of its class folder."""
    for file in files:
        folder, slash, _ = file.name.removeprefix(prefix).partition("/")
        yield read_file(file, folder if slash else None, limits)
