"""In place of `asd` in a workspace's `.venv/bin`: the same program, killed where a test asks.

`.asd/kills.json` is a list of {"step", "cell" (part of the arguments), "at", ..., "victim"};
the first entry that fits this process is armed. When its moment has come the entry is removed,
noted in `.asd/killed`, and the victim gets SIGKILL: this process, its parent (dvc), or the
process whose id stands in `.asd/victim`. Moments:

- {"at": "rename", "name": regex, "count": n}: before the n-th rename to a path that fits;
- {"at": "train", "epoch": e, "number": s}: before optimiser step s of 0-based epoch e;
- {"at": "virtual", "epoch": e}: in the training of that epoch's virtual model;
- {"at": "time", "seconds": s}: after s seconds of processor time in the step, or at its end.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parents[2]
STATE = ROOT / ".asd"


def kills() -> list[dict[str, Any]]:
    file = STATE / "kills.json"
    return json.loads(file.read_text()) if file.exists() else []


def armed() -> dict[str, Any] | None:
    """The first entry for this step and these arguments."""
    words = " ".join(sys.argv[1:])
    for entry in kills():
        if sys.argv[2:3] == [entry["step"]] and entry.get("cell", "") in words:
            return entry
    return None


def kill(entry: dict[str, Any]) -> None:
    """Kill the victim, once; if that is another process, ours goes on and must end by itself."""
    waiting = kills()
    if entry not in waiting:
        return
    (STATE / "kills.json").write_text(json.dumps([other for other in waiting if other != entry]))
    victim = {"self": os.getpid, "parent": os.getppid, "file": _pid_of_file}[entry.get("victim", "self")]()
    _note(json.dumps(entry))
    os.kill(victim, signal.SIGKILL)
    threading.Timer(10.0, _note, ["outlived its parent"]).start()


def _note(line: str) -> None:
    with (STATE / "killed").open("a") as log:
        log.write(line + "\n")


def _pid_of_file() -> int:
    while not (STATE / "victim").exists():
        time.sleep(0.01)
    return int((STATE / "victim").read_text())


# -- moments -----------------------------------------------------------------------------


def at_rename(entry: dict[str, Any]) -> None:
    left = entry.get("count", 1)
    for method in ("rename", "replace"):
        setattr(Path, method, _counted(getattr(Path, method), entry, left))


def _counted(original: Callable[..., Any], entry: dict[str, Any], count: int) -> Callable[..., Any]:
    seen = 0

    def rename(self: Path, target: Path) -> Any:
        nonlocal seen
        if re.search(entry["name"], str(target)):
            seen += 1
            if seen == count:
                kill(entry)
        return original(self, target)

    return rename


def at_train(entry: dict[str, Any]) -> None:
    """Training sets the rate once before each step; that is where we count."""
    from asd.training import epochs
    from asd.training.stage_run import StageRun

    now = {"epoch": -1, "step": -1}
    until, set_rate = StageRun.train_until, epochs._set_rate

    def train_until(self: StageRun, end: int, train_epoch: Callable[[int], Any]) -> None:
        def begin(epoch: int) -> Any:
            now.update(epoch=epoch, step=-1)
            return train_epoch(epoch)

        until(self, end, begin)

    def counting(*arguments: Any) -> None:
        now["step"] += 1
        if now == {"epoch": entry["epoch"], "step": entry["number"]}:
            kill(entry)
        set_rate(*arguments)

    StageRun.train_until = train_until  # type: ignore[method-assign]
    epochs._set_rate = counting


def at_virtual(entry: dict[str, Any]) -> None:
    from asd.training import virtual

    original = virtual.draw

    def drawing(*arguments: Any) -> Any:
        its = sys._getframe(1).f_locals
        if its["step"] == its["total"] // 2 and its["run"].epoch == entry["epoch"]:
            kill(entry)
        return original(*arguments)

    virtual.draw = drawing


def at_time(entry: dict[str, Any]) -> None:
    """Processor time, so that a busy machine changes little."""
    from asd.cli import step

    original = step.run_step

    def run_step(*arguments: Any) -> None:
        signal.signal(signal.SIGPROF, lambda *_: kill(entry))
        signal.setitimer(signal.ITIMER_PROF, entry["seconds"])
        original(*arguments)
        kill(entry)

    step.run_step = run_step


def main() -> int:
    from asd.cli import main as asd_main

    entry = armed()
    if entry is not None:
        {"rename": at_rename, "train": at_train, "virtual": at_virtual, "time": at_time}[entry["at"]](entry)
    return asd_main()


if __name__ == "__main__":
    sys.exit(main())
