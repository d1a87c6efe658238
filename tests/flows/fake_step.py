"""Stands in for `asd step` in tests: sleeps, prints events, writes its outputs, or fails as told.

`python fake_step.py STAGE OUT...`; what it does stands in `orders.json`: {STAGE: {"sleep": s,
"exit": code, "error": text, "kill": times}}. Each run appends its process id to `pids/STAGE`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from asd.lifeline import die_with_parent
from asd.progress import Reporter


def main() -> int:
    die_with_parent()
    stage, *outputs = sys.argv[1:]
    orders = json.loads(Path("orders.json").read_text()).get(stage, {})
    pids = Path("pids") / stage
    pids.parent.mkdir(exist_ok=True)
    with pids.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    step, _, item = stage.partition("@")
    reporter = Reporter(step, item.replace("-", "/"))
    reporter.progress(1, 2, "epoch", loss=0.5, pool=10)
    time.sleep(orders.get("sleep", 0))
    if len(pids.read_text().split()) <= orders.get("kill", 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if "exit" in orders:
        sys.stderr.write(f"asd: {orders.get('error', 'no reason')}\n")
        return int(orders["exit"])
    reporter.progress(2, 2, "epoch", loss=0.25, pool=20)
    for output in outputs:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(stage)
    return 0


if __name__ == "__main__":
    sys.exit(main())
