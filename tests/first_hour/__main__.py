"""Write docs/first-hour.md: `python -m tests.first_hour --source cifar10 --record docs/first-hour.md`."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path

from tests.first_hour.shell import Shell
from tests.first_hour.vendor import FORMS
from tests.first_hour.walk import setting, walk

CLONE = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.first_hour", description=__doc__)
    parser.add_argument("--source", choices=("digits", "cifar10", "gtsrb"), default="digits")
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=None, help="only the first so many")
    parser.add_argument("--form", choices=FORMS, default="folders")
    parser.add_argument("--record", type=Path, help="file to write; nothing is written without it")
    parser.add_argument("--home", type=Path, help="an empty folder that stays (default: one that goes)")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="first-hour-"))
    home.mkdir(parents=True, exist_ok=True)
    shell = Shell(home.resolve(), Path(sys.executable).parent, CLONE)
    shell.say(
        HEAD.format(day=date.today(), commit=_commit(), python=platform.python_version(), **vars(given))
    )
    try:
        outcome = walk(shell, setting(given.source, given.per_class, given.classes), given.form)
        shell.say(f"All commands together: {sum(shell.seconds.values()) / 60:.0f} min.")
    finally:
        if given.record:
            given.record.write_text(shell.markdown())
        if not given.home:
            shutil.rmtree(home)
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")


def _commit() -> str:
    asked = ["git", "-C", str(CLONE), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


HEAD = """# The first hour: from a vendor's folder to a served model

<!-- Made by `python -m tests.first_hour --source {source} --form {form} --per-class {per_class}`;
     do not edit by hand. The same walk, on digits, is a test (`make walk`). -->

Recorded on {day} (commit `{commit}`) with Python {python} on two processor cores without a GPU, from an
empty home folder. No file of the workspace was edited by hand; only long outputs are cut. `CLONE` is the
clone of this repository; its environment (`make setup`) is active.
"""

if __name__ == "__main__":
    main()
