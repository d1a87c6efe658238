"""Frames, and what the processes behind the gate may do."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asd.errors import DataError
from asd.intake.frames import FrameError, FrameParser, pack
from asd.intake.pool import Copy, DecodePool, NoCopy, Task
from asd.intake.readers.seen import NameTable
from tests.unit.intake.evils.kit import jpeg, png

FORM = {"most_pixels": 10_000, "image_size": 8, "channels": 3, "fit": "stretch"}


# -- frames ------------------------------------------------------------------------------------


def test_frames_come_out_as_they_went_in_however_they_are_cut() -> None:
    sent = [[b"a", b"", b"x" * 1000], [], [b"\0"]]
    data = b"".join(pack(fields) for fields in sent)
    for step in (1, 7, len(data)):
        parser, got = FrameParser(10_000), []
        for at in range(0, len(data), step):
            parser.feed(data[at : at + step])
            got += parser.frames()
        assert got == sent


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff" + bytes(10),  # larger than allowed
        b"\0\0\0\0" + bytes(10),
        b"\2\0\0\0\1\0",  # a field without a length
        b"\5\0\0\0\1\xff\0\0\0",  # a field that leaves its frame
        b"\6\0\0\0\1\0\0\0\0x",  # bytes behind the last field
        b"\1\0\0\0\x11",  # 17 fields
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    parser = FrameParser(100)
    parser.feed(data)
    with pytest.raises(FrameError):
        list(parser.frames())


def test_the_table_of_names_knows_every_name_and_little_else() -> None:
    table = NameTable()
    assert all(table.put(f"name {n}", n) for n in range(5000))
    assert not any(table.put(f"name {n}", 0) for n in range(0, 5000, 7))
    assert [table.get(f"name {n}") for n in (0, 4999, 5000)] == [0, 4999, None]
    table.set("name 3", 99)
    assert table.get("name 3") == 99
    assert len(table) == 5000
    assert table.put("half a letter: \ud800")
    assert not table.put("half a letter: \ud800")


# -- the sandbox -------------------------------------------------------------------------------

_PROBE = """
import ctypes, fcntl, json, mmap, os, signal, socket, subprocess, sys, threading
from asd.intake import sandbox
reader, path, outside = sys.argv[1] == "reader", sys.argv[2], sys.argv[3]
library = ctypes.CDLL(None, use_errno=True)
pipe = os.open(path, os.O_RDONLY)
def call(*words):
    if library.syscall(*words):
        raise OSError(ctypes.get_errno(), "no")
sandbox.enter(64 * 2**20, reading_files=reader)
def does(what):
    try:
        what()
    except MemoryError:
        return "memory"
    except BaseException as error:
        return type(error).__name__
    return "done"
def thread():
    one = threading.Thread(target=print)
    one.start()
tries = {
    "read": lambda: os.close(os.open(path, os.O_RDONLY)),
    "write": lambda: os.open(outside, os.O_WRONLY | os.O_CREAT),
    "append": lambda: os.open(path, os.O_RDWR),
    "socket": lambda: socket.socket(socket.AF_UNIX),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "thread": thread,
    "unlink": lambda: os.unlink(path),
    "rename": lambda: os.rename(path, outside),
    "mkdir": lambda: os.mkdir(outside),
    "kill": lambda: os.kill(os.getppid(), 0),
    "kill a thread": lambda: call(234, os.getppid(), os.getppid(), 0),
    "signal by a pipe": lambda: fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getppid()),
    "which signal": lambda: fcntl.fcntl(pipe, 10, signal.SIGKILL),
    "type on the terminal": lambda: call(16, pipe, 0x5412, ctypes.c_char_p(b"x")),
    "copy a handle": lambda: fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, 0),
    "lock": lambda: fcntl.lockf(pipe, fcntl.LOCK_SH),
    "signal to itself": lambda: call(234, os.getpid(), os.getpid(), 0),
    "execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "memory": lambda: bytearray(100 * 2**20),
    "compute": lambda: sum(range(1000)),
}
os.write(1, json.dumps({name: does(what) for name, what in tries.items()}).encode())
os._exit(0)
"""
_FORBIDDEN = (
    *("write", "append", "socket", "fork", "exec", "unlink", "rename", "mkdir", "kill", "execute"),
    *("kill a thread", "signal by a pipe", "which signal", "type on the terminal"),
)


@pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="needs seccomp on x86-64"
)
@pytest.mark.parametrize("kind", ["reader", "worker"])
def test_nothing_is_left_but_computing(kind: str, tmp_path: Path) -> None:
    path, outside = tmp_path / "there", tmp_path / "outside"
    path.write_text("x")
    words = [sys.executable, "-c", _PROBE, kind, str(path), str(outside)]
    done = subprocess.run(words, capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert {found[name] for name in _FORBIDDEN} == {"PermissionError"}
    assert found["thread"] == "RuntimeError"
    assert found["read"] == ("done" if kind == "reader" else "PermissionError")
    assert (found["memory"], found["compute"]) == ("memory", "done")
    assert {found[name] for name in ("copy a handle", "lock", "signal to itself")} == {"done"}
    assert path.read_text() == "x"
    assert not outside.exists()


# -- decoding ----------------------------------------------------------------------------------


def decode(pool: DecodePool, *pictures: bytes) -> list[Copy | NoCopy]:
    tasks = [Task(data) for data in pictures]
    for task in tasks:
        pool.add(task)
    while any(task.answer is None for task in tasks):
        pool.work()
    return [task.answer for task in tasks]


def test_a_copy_is_a_plain_png_with_its_facts() -> None:
    with DecodePool(FORM, 10.0, 1) as pool:
        (copy,) = decode(pool, png(1))
    assert isinstance(copy, Copy)
    kinds = [copy.png[at + 4 : at + 8] for at in _chunks(copy.png)]
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    assert (copy.width, copy.height) == (24, 24)
    assert copy.flags == ()
    pixels = np.asarray(Image.open(io.BytesIO(copy.png)))
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()
    assert copy.content_sha256 == hashlib.sha256(b"3x24x24:" + planes).hexdigest()
    small = np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BILINEAR))
    planes = np.ascontiguousarray(small.transpose(2, 0, 1)).tobytes()
    assert copy.trained_sha256 == hashlib.sha256(b"3x8x8:" + planes).hexdigest()


def _chunks(data: bytes) -> list[int]:
    found, at = [], 8
    while at < len(data):
        found.append(at)
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return found


def test_answers_come_in_order_whatever_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    with DecodePool(FORM, 10.0, 2) as pool:
        good = decode(pool, *(jpeg(number) for number in range(4)))
        tasks = [Task(jpeg(number)) for number in range(100)]
        for task in tasks:
            pool.add(task)
        for child in pool.children:
            os.kill(child.pid, signal.SIGKILL)
        while any(task.answer is None for task in tasks):
            pool.work()
    assert [task.answer for task in tasks[:4]] == good
    assert all(isinstance(task.answer, Copy) for task in tasks)
    assert len({task.answer.content_sha256 for task in tasks}) == 100


def _killing(pool: DecodePool, task: Task) -> None:
    """Kill whichever process has the task, each time it is tried."""
    while task.answer is None:
        for worker in pool._workers:
            if worker.tasks and worker.tasks[0] is task:
                os.kill(worker.child.pid, signal.SIGSEGV)
                time.sleep(0.05)
        pool.work()


def test_a_picture_that_kills_its_decoder_twice_is_refused_and_the_others_pass() -> None:
    with DecodePool(FORM, 10.0, 1) as pool:
        killer, other = Task(png(1)), Task(png(2))
        pool.add(killer)
        pool.add(other)
        _killing(pool, killer)
        while other.answer is None:
            pool.work()
    assert killer.answer == NoCopy("killed-decoder", "the decoder was killed by SIGSEGV, twice")
    assert isinstance(other.answer, Copy)


def test_a_drop_that_kills_and_kills_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asd.intake.pool._MOST_DEATHS", 1)
    with DecodePool(FORM, 10.0, 1) as pool:
        task = Task(png(1))
        pool.add(task)
        with pytest.raises(DataError, match="more than 1 pictures of this drop killed the decoder"):
            _killing(pool, task)


def test_the_gate_closes_what_it_started() -> None:
    with DecodePool(FORM, 10.0, 2) as pool:
        decode(pool, png(1), png(2), png(3))
        pids = [child.pid for child in pool.children]
        assert all(Path(f"/proc/{pid}").exists() for pid in pids) or sys.platform != "linux"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_dies_with_the_gate(tmp_path: Path) -> None:
    code = (
        "from asd.intake.pool import DecodePool, Task; import sys\n"
        f"pool = DecodePool({FORM!r}, 10.0, 1); task = Task({png(1)!r}); pool.add(task)\n"
        "while task.answer is None: pool.work()\n"
        "sys.stdout.write(str(pool.children[0].pid)); sys.stdout.flush()\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(100):
        if not Path(f"/proc/{done.stdout}/status").exists():
            break
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
