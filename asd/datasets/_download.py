"""Download over HTTP(S): with progress, resumable, checked by SHA-256."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from asd import store
from asd.errors import DataError, DiskError, ParamsError
from asd.progress import Reporter

_CHUNK = 2**20
_TIMEOUT = 60  # seconds without a byte
_ATTEMPTS = 5
_PAUSE = 0.5  # seconds before the second attempt; doubles
_HINT = "run again to go on, or download it yourself and `asd source set DATASET PATH`"


def download(url: str, target: Path, sha256: str | None, reporter: Reporter) -> Path:
    """Fetch `url` to `target` unless it is there already; returns `target`.

    What has come stays in `<target>.part`; the next call asks for the rest of it.

    Args:
        sha256: the hash (hex) that the file must have; None: nobody has declared it (a warning).

    Raises:
        ParamsError: not an http(s) address.
        DataError: unreachable, refused, cut off again and again, or another hash.
        DiskError: not enough space.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ParamsError(f"cannot download {url!r}: wanted an http(s) address")
    if target.is_file() and sha256 in (None, store.file_sha256(target)):
        return target
    part = target.with_name(target.name + ".part")
    with store.disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(_ATTEMPTS):
            if _fetch_rest(url, part, reporter, last=attempt == _ATTEMPTS - 1):
                break
            time.sleep(_PAUSE * 2**attempt)
        else:
            raise DataError(f"cannot download {url}: its length changes; {_HINT}")
        found = store.file_sha256(part)
        if sha256 not in (None, found):
            part.unlink()
            raise DataError(f"{url} has SHA-256 {found}, wanted {sha256}; the file was thrown away")
        if sha256 is None:
            reporter.warn(f"nobody has declared the hash of {url}; it is {found}")
        part.replace(target)
    return target


def _fetch_rest(url: str, part: Path, reporter: Reporter, *, last: bool) -> bool:
    """Ask for what `part` lacks; whether it is whole now. An error of the line counts as not yet."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 (http only, checked)
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            start = start if resumed else 0
            length = answer.headers.get("Content-Length")
            total = None if length is None else start + int(length)
            _check_space(part, total, start)
            with part.open("ab" if resumed else "wb") as stream:
                _copy(answer, stream.write, url, start, total, reporter)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            # Nothing is left to send, or the file there is another one now: the hash will tell.
            if _is_length(error, start):
                return True
            part.unlink()
        elif error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR or last:
            raise DataError(f"cannot download {url}: {error.code} {error.reason}; {_HINT}") from error
        return False
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        if last:
            reason = getattr(error, "reason", None) or error
            raise DataError(f"cannot download {url}: {reason}; {_HINT}") from error
        return False
    got = part.stat().st_size
    if total is None or got == total:
        return True
    if last:
        raise DataError(f"{url} broke off at {got} of {total} bytes; {_HINT}")
    return False


def _is_length(error: urllib.error.HTTPError, start: int) -> bool:
    return error.headers.get("Content-Range", "").rpartition("/")[2] == str(start)


def _check_space(part: Path, total: int | None, start: int) -> None:
    needed = (total or 0) - start
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise DiskError(f"{part} needs {needed / 2**20:.0f} MiB more, but {free / 2**20:.0f} MiB are free")


def _copy(
    answer: http.client.HTTPResponse,
    write: Callable[[bytes], object],
    url: str,
    start: int,
    total: int | None,
    reporter: Reporter,
) -> None:
    with _shown(url, start, total, reporter) as show:
        done = start
        while chunk := answer.read(_CHUNK):
            write(chunk)
            done += len(chunk)
            show(done)


@contextlib.contextmanager
def _shown(url: str, start: int, total: int | None, reporter: Reporter) -> Iterator[Callable[[int], None]]:
    """A bar for a person at a terminal, else a line at every twentieth."""
    name = Path(urlsplit(url).path).name
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            Speed(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=total, completed=start)
            yield lambda done: bar.update(task, completed=done)
        return
    shown = start

    def show(done: int) -> None:
        nonlocal shown
        if total is not None and (done == total or done - shown >= total / 20):
            reporter.progress(done // 2**10, total // 2**10, f"KiB of {name}")
            shown = done

    yield show
