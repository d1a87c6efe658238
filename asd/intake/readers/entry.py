"""What readers give: one picture of a drop with its label as sent, or why it cannot be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Entry:
    """One file, row or sample.

    Attributes:
        path: its name in the drop, as sent.
        label: as sent; None where there is none.
        data: its bytes; None where they were not read.
        size: bytes, as far as known.
        code, message: why it is refused already (a code of `asd.intake.reasons`), or empty.
        named: whether the name's ending says the format; a row of a table has none.
    """

    path: str
    label: str | None = None
    data: bytes | None = None
    size: int = 0
    code: str = ""
    message: str = ""
    named: bool = True


@dataclass(frozen=True)
class Limits:
    """Caps while reading.

    Attributes:
        most_file_bytes: of one picture.
        most_bytes: of the whole drop, unpacked.
        class_names: the classes, or None; tells a folder of the drop from a class folder.
    """

    most_file_bytes: int
    most_bytes: int
    class_names: tuple[str, ...] | None


class File(Protocol):
    """A file of a drop, wherever it lies.

    `problem` is a code and words where it cannot be opened, `seekable` whether its stream goes back.
    """

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def problem(self) -> tuple[str, str] | None: ...

    @property
    def seekable(self) -> bool: ...

    def open(self) -> BinaryIO:
        """Its bytes as a stream; OSError or ReadError if it cannot be read."""
        ...


class ReadError(Exception):
    """A file that cannot be read: a code of `asd.intake.reasons`, and words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_file(file: File, label: str | None, limits: Limits) -> Entry:
    """A file as an entry, its bytes read as far as they are allowed."""
    if file.problem is not None:
        return Entry(file.name, label, None, file.size, *file.problem)
    try:
        data = read_bytes(file, limits.most_file_bytes)
    except OSError as error:
        return Entry(file.name, label, None, file.size, "unreadable", error.strerror or "cannot be read")
    except ReadError as error:
        return Entry(file.name, label, None, file.size, error.code, str(error))
    return Entry(file.name, label, data, len(data))


def read_bytes(file: File, most: int) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: it cannot be read.
        ReadError: there are more than `most`, or it is damaged.
    """
    if file.size > most:
        raise ReadError("too-large", f"{file.size} bytes, at most {most} are allowed")
    with file.open() as stream:
        parts, left = [], most + 1
        while left and (part := stream.read(min(left, 2**20))):
            parts.append(part)
            left -= len(part)
    if not left:
        raise ReadError("too-large", f"more than {most} bytes")
    if most + 1 - left != file.size:
        raise ReadError("damaged-archive", f"{most + 1 - left} bytes where {file.size} were said")
    return parts[0] if len(parts) == 1 else b"".join(parts)
