"""Runs the gate over a list of drops in a process of its own: `python judging.py LIST`.

LIST is JSON: drops with `path`, `seconds` and `workers`. Prints a JSON list with, for each drop, why
it is refused, if it is, and what became of each path.
"""

import io
import json
import sys
from pathlib import Path

from asd.errors import DataError
from asd.intake.gate import Rules, judge_drop
from asd.intake.index import ContentIndex
from asd.intake.types import Accepted, Judged
from asd.intake_params import IntakeParams
from asd.progress import Reporter


def words(one: Judged) -> str:
    """As in the table of docs/security.md."""
    if isinstance(one, Accepted):
        return "accepted" + (": " + ", ".join(one.flags) if one.flags else "")
    return f"quarantined: {one.reason}"


def judge(path: str, seconds: float, workers: int) -> dict[str, object]:
    rules = Rules(IntakeParams(most_seconds=seconds), ("cat", "dog"), {}, 32)
    reporter = Reporter("test", "test", io.StringIO())
    found: list[tuple[str, str]] = []
    with ContentIndex(None) as earlier:
        try:
            found.extend(
                (one.path, words(one))
                for one in judge_drop(Path(path), rules, earlier, reporter, workers=workers)
            )
        except DataError as error:
            return {"refused": str(error), "found": found}
    return {"refused": None, "found": found}


if __name__ == "__main__":
    wanted = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps([judge(**one) for one in wanted]))
