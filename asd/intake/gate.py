"""The gate: every file of a drop is let in or refused with a reason; nothing is stored here."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asd.errors import DataError, ParamsError
from asd.intake.checks import Labels, Problem, check_bytes, check_name, ending_of
from asd.intake.duplicates import Candidate, Duplicates, Passed
from asd.intake.index import ContentIndex
from asd.intake.labels_file import read_labels_file as read_labels_file
from asd.intake.pool import Copy, DecodePool, NoCopy, Task
from asd.intake.reader import Reader
from asd.intake.readers import folder
from asd.intake.readers.entry import Entry
from asd.intake.readers.labels import ENDINGS
from asd.intake.reasons import FLAGS, REASONS
from asd.intake.types import Accepted, Judged, Refused
from asd.intake_params import IntakeParams
from asd.progress import Reporter
from asd.safe_text import safe_text

_BATCH = 128  # pictures compared with earlier ones at a time
_WINDOW_COUNT, _WINDOW_BYTES = 1024, 16 * 2**20  # read and not judged yet
_SAY_EVERY = 10_000
_LONGEST_SHOWN = 300
_HASHED_AT_ONCE = 2**20


@dataclass(frozen=True)
class Rules:
    """What a drop is judged by.

    Attributes:
        intake: caps and limits.
        class_names: the classes, or None where any label will do.
        labels: the drop's label file: label as sent -> class name.
        image_size, channels, fit: the form in which training sees a picture.
    """

    intake: IntakeParams = field(default_factory=IntakeParams)
    class_names: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    image_size: int | None = None
    channels: int = 3
    fit: str = "stretch"


def judge_drop(
    source: Path, rules: Rules, earlier: ContentIndex, reporter: Reporter, *, workers: int | None = None
) -> Iterator[Judged]:
    """Every file of a drop, let in or refused, as a stream in a stable order.

    Args:
        source: a folder or a file.
        rules: what it is judged by.
        earlier: contents of earlier drops and of the test set; only read.
        reporter: hears the progress.
        workers: decoding processes; default: one a core, at most 4.

    Raises:
        DataError: it is no drop, exceeds a cap of the whole drop, or kills too many decoders.
    """
    if not source.exists():
        raise DataError(f"there is no {source}")
    intake = rules.intake
    form: dict[str, object] = {
        "most_pixels": intake.most_pixels,
        "image_size": rules.image_size,
        "channels": rules.channels,
        "fit": rules.fit,
    }
    with (
        DecodePool(form, intake.most_seconds, workers) as pool,
        Reader(source, intake, rules.class_names) as reader,
        Duplicates(earlier, intake.near_duplicate_bits) as seen,
    ):
        yield from _Gate(rules, reader, pool, seen, reporter).run()


@dataclass
class _File:
    """A file on its way through the gate."""

    path: str
    label: str | None
    size: int
    data: bytes | None
    sha256: str | None
    problem: Problem | None = None
    task: Task | None = None

    @property
    def is_decided(self) -> bool:
        return self.task is None or self.task.answer is not None


class _Gate:
    """The loop: reads ahead as far as the window allows, decodes, judges in order."""

    def __init__(
        self, rules: Rules, reader: Reader, pool: DecodePool, seen: Duplicates, reporter: Reporter
    ) -> None:
        self._intake = rules.intake
        self._labels = Labels(rules.class_names, rules.labels)
        self._reader, self._pool, self._seen, self._reporter = reader, pool, seen, reporter
        self._window: deque[_File] = deque()
        self._ready: list[_File] = []
        self._listened = False
        self._in_hand = self._files = self._bytes = 0

    def run(self) -> Iterator[Judged]:
        """Judge until the reader is done and everything has come out."""
        while True:
            while self._window and self._window[0].is_decided and len(self._ready) < _BATCH:
                self._ready.append(self._window.popleft())
            is_last = self._reader.is_done and not self._window
            if len(self._ready) >= _BATCH or (
                self._ready and (is_last or not self._has_room or self._pool.is_full)
            ):
                yield from self._judge()
            elif is_last:
                return
            else:
                self._step()

    @property
    def _has_room(self) -> bool:
        count = len(self._window) + len(self._ready)
        return count < _WINDOW_COUNT and self._in_hand < _WINDOW_BYTES

    def _step(self) -> None:
        """Wait until somebody has something to say, and take it."""
        listens = self._has_room and not self._reader.is_done
        if listens and not self._listened:
            self._reader.rest()  # until now it may have waited for us
        self._listened = listens
        others = [self._reader.child] if listens else []
        if self._pool.work(others):
            for one in self._reader.receive():
                self._take(one)
        elif others:
            for one in self._reader.look():
                self._take(one)

    def _take(self, entry: Entry) -> None:
        """A file from the reader: checked as far as it goes without decoding."""
        self._files += 1
        self._bytes += len(entry.data or b"")
        if self._files > self._intake.most_files:
            raise DataError(f"more than {self._intake.most_files} files (intake.most_files)")
        if self._bytes > self._intake.most_bytes:
            raise DataError(f"more than {self._intake.most_bytes} bytes (intake.most_bytes)")
        if self._files % _SAY_EVERY == 0:
            self._reporter.say(f"{self._files:,} files")
        data = entry.data
        sha256 = None if data is None else hashlib.sha256(data).hexdigest()
        file = _File(entry.path, entry.label, entry.size, data, sha256)
        if entry.code:
            file.problem = check_name(entry.path) or (entry.code, entry.message)
        else:
            file.problem = check_name(entry.path) or check_bytes(entry.path, data or b"", named=entry.named)
        if file.problem is None and data is not None:
            file.task = Task(data)
            self._pool.add(file.task)
        self._window.append(file)
        self._in_hand += len(data or b"")

    def _judge(self) -> Iterator[Judged]:
        """Compare the pictures at hand with what came before, and give out all."""
        candidates: list[Candidate] = []
        for file in self._ready:
            answer = file.task.answer if file.task is not None else None
            if isinstance(answer, NoCopy):
                file.problem = (answer.code, answer.message)
            elif answer is not None:
                candidates.append(Candidate(file.path, *self._labels.judge(file.label), answer))
        found = iter(zip(candidates, self._seen.judge(candidates), strict=True))
        files, self._ready = self._ready, []
        for file in files:
            self._in_hand -= len(file.data or b"")
            if file.problem is not None:
                yield _refused(file, *file.problem)
                continue
            candidate, result = next(found)
            if isinstance(result, Passed):
                yield _accepted(file, candidate, result)
            else:
                yield _refused(file, *result)


def _accepted(file: _File, candidate: Candidate, passed: Passed) -> Accepted:
    copy: Copy = candidate.copy
    return Accepted(
        path=file.path,
        label=candidate.label,
        png=copy.png,
        width=copy.width,
        height=copy.height,
        file_sha256=file.sha256 or "",
        content_sha256=copy.content_sha256,
        trained_sha256=copy.trained_sha256,
        perceptual_hash=copy.perceptual_hash,
        flags=tuple(flag for flag in (*copy.flags, *passed.flags) if flag in FLAGS),
        flagged_with=passed.flagged_with,
    )


def _refused(file: _File, code: str, message: str) -> Refused:
    if code not in REASONS:  # a reader or worker that was taken over may say anything
        code, message = "reader-died", f"an unknown reason {code!a}"
    path = file.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    label = None if file.label is None else safe_text(file.label)
    shown = safe_text(message, _LONGEST_SHOWN)
    return Refused(_shorten(path), code, shown, label, file.sha256, file.size, file.data)


def _shorten(path: str) -> str:
    """A very long name with a hash in its place, so that two of them stay apart."""
    if len(path) <= _LONGEST_SHOWN:
        return path
    return f"{path[: _LONGEST_SHOWN // 2]}…{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def found_drop(path: Path) -> Path:
    """Where a drop lies, as an absolute path.

    Raises:
        ParamsError: nothing is there, or a link, which whoever sends the drop could turn elsewhere.
    """
    path = path.expanduser().absolute()
    if path.is_symlink():
        raise ParamsError(f"{path} is a link; give the place that it leads to: {os.readlink(path)!r}")
    if not path.exists():
        raise ParamsError(f"there is no drop at {path}")
    return path


class TooLargeError(DataError):
    """A drop of more bytes than a drop may have; none of them was read."""


def drop_sha256(source: Path, most_bytes: int | None = None) -> str:
    """SHA-256 (hex) of a drop as sent: of the file, or over names, sizes and hashes of a folder's files.

    Of a labels file: of its name and of the folder that it lies in, which is the drop.

    Args:
        most_bytes: of a whole drop (`intake.most_bytes`); a file with holes may claim any size.

    Raises:
        DataError: it cannot be read, or grows meanwhile.
        TooLargeError: it has more than `most_bytes`.
    """
    try:
        is_labels = ending_of(source.name) in ENDINGS and not source.is_dir()
        is_file = not source.is_dir() and not is_labels
        name = source.name if is_labels else ""
        source = source.parent.resolve() if is_labels else source
        files = [folder.one_file(source)] if is_file else folder.walk(source)
        size = sum(file.size for file in files if not file.problem)
        if most_bytes is not None and size > most_bytes:
            raise TooLargeError(f"{source} has {size} bytes, more than {most_bytes} (intake.most_bytes)")
        if is_file:
            return _sha256(folder.one_file(source))
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape"))
        for file in folder.walk(source):
            what = _sha256_or_problem(file)
            digest.update(file.name.encode("utf-8", "surrogateescape") + f"\0{file.size}\0{what}\n".encode())
        return digest.hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {error.filename or source}: {error.strerror}") from error


def _sha256_or_problem(file: folder.FolderFile) -> str:
    try:
        return file.problem[0] if file.problem else _sha256(file)
    except OSError:  # the gate refuses that file alone
        return "unreadable"


def _sha256(file: folder.FolderFile) -> str:
    digest, left = hashlib.sha256(), file.size + 1
    with file.open() as stream:
        while left and (part := stream.read(min(left, _HASHED_AT_ONCE))):
            digest.update(part)
            left -= len(part)
    if not left:
        raise DataError(f"{file.name} grows while it is read; wait until it is whole")
    return digest.hexdigest()
