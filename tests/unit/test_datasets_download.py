"""Downloads, against a server on the loopback."""

from __future__ import annotations

import hashlib
import io
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asd.datasets import _download
from asd.datasets._download import download
from asd.errors import DataError, DiskError, ParamsError
from asd.progress import Reporter

CONTENT = bytes(range(256)) * 40_000  # 10 MB, so that it comes in several pieces
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Server(ThreadingHTTPServer):
    """Serves one file; `cuts` says after how many bytes each of the next answers breaks off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.cuts: list[int] = []
        self.status: list[int] = []
        self.ranges: list[str | None] = []
        self.supports_range = True
        self.tells_length = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.server.status:
            self.send_error(self.server.status.pop(0))
            return
        whole = self.server.content
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        start = int(match[1]) if match and self.server.supports_range else 0
        if start >= len(whole):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(whole)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        body = whole[start:]
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setattr(_download, "_PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def get(server: _Server, tmp_path: Path) -> Callable[..., Path]:
    def run(sha256: str | None = SHA256, reporter: Reporter | None = None) -> Path:
        quiet = reporter or Reporter("fetch", "x", io.StringIO())
        return download(server.url, tmp_path / "d" / "file.bin", sha256, quiet)

    return run


def test_a_file_arrives_whole_and_leaves_no_part(get: Callable[..., Path]) -> None:
    path = get()
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_file_that_is_there_is_not_fetched_again(get: Callable[..., Path], server: _Server) -> None:
    get()
    get()
    assert server.ranges == [None]


def test_a_damaged_file_is_fetched_again(get: Callable[..., Path]) -> None:
    get().write_bytes(b"damaged")
    assert get().read_bytes() == CONTENT


def test_a_broken_line_is_taken_up_where_it_broke(get: Callable[..., Path], server: _Server) -> None:
    server.cuts = [3_000_000, 2_000_000]
    assert get().read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=3000000-", "bytes=5000000-"]


def test_the_next_run_goes_on_with_what_the_last_one_left(
    get: Callable[..., Path], server: _Server, tmp_path: Path
) -> None:
    server.cuts = [1_000_000] * 5
    with pytest.raises(DataError, match="broke off at 5000000 of 10240000 bytes; run again to go on"):
        get()
    assert (tmp_path / "d" / "file.bin.part").stat().st_size == 5_000_000
    assert get().read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=5000000-"


def test_a_part_that_is_whole_already_is_accepted(get: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file.bin.part").write_bytes(CONTENT)
    assert get().read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(get: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file.bin.part").write_bytes(CONTENT + b"more")
    assert get().read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_all_again(get: Callable[..., Path], server: _Server) -> None:
    server.supports_range = False
    server.cuts = [3_000_000]
    assert get().read_bytes() == CONTENT


def test_a_file_of_unknown_length_arrives(get: Callable[..., Path], server: _Server) -> None:
    server.tells_length = False
    assert get().read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_the_file_thrown_away(
    get: Callable[..., Path], server: _Server, tmp_path: Path
) -> None:
    server.content = b"something else"
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DataError, match=f"has SHA-256 {found}, wanted {SHA256}"):
        get()
    assert list((tmp_path / "d").iterdir()) == []


def test_an_undeclared_hash_is_a_warning_that_names_it(get: Callable[..., Path]) -> None:
    out = io.StringIO()
    get(None, Reporter("fetch", "x", out))
    assert "WARNING: nobody has declared the hash of http://127.0.0.1" in out.getvalue()
    assert SHA256 in out.getvalue()


def test_a_server_error_is_tried_again(get: Callable[..., Path], server: _Server) -> None:
    server.status = [503, 503]
    assert get().read_bytes() == CONTENT


def test_a_refusal_is_an_error_at_once(get: Callable[..., Path], server: _Server) -> None:
    server.status = [404]
    with pytest.raises(DataError, match=r"cannot download .*: 404 Not Found; .*asd source set"):
        get()
    assert len(server.ranges) == 1


def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "_PAUSE", 0.0)
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file.bin"
        with pytest.raises(DataError, match=f"cannot download {url}"):
            download(url, tmp_path / "file.bin", SHA256, Reporter("fetch", "x", io.StringIO()))


def test_other_addresses_than_http_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="wanted an http"):
        download("file:///etc/passwd", tmp_path / "x", None, Reporter("fetch", "x", io.StringIO()))


def test_a_file_that_the_disk_cannot_hold_is_refused(
    get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(DiskError, match="10 MiB more, but 0 MiB are free"):
        get()


def test_progress_is_reported_in_json_events(
    get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASD_PROGRESS", "json")
    out = io.StringIO()
    get(SHA256, Reporter("fetch", "x", out))
    assert '"done": 10000' in out.getvalue().splitlines()[-1]
    assert '"total": 10000' in out.getvalue()


def test_a_person_at_a_terminal_sees_a_bar(
    get: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_download.sys.stderr, "isatty", lambda: True, raising=False)
    get()
    assert "file.bin" in capsys.readouterr().err
