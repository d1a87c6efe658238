"""What a stage prints, line by line: events of `asd step`, dvc's news, dvc's noise, other text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_EVENT = "@asd "
_ERROR = "asd: "

_NOISE = re.compile(
    r"^(> |Running callback stage '|Generating lock file|Updating lock file|Modifying stage '"
    r"|To track the changes with git|\s*git add |To enable auto staging|\s*dvc config core\.autostage"
    r"|Use `dvc push`|Data and pipelines are up to date|Stage '.*' didn't change|\s*$"
    r"|Having any troubles\?|WARNING: Process '.*had been killed|'.*' didn't change)"
)
_RUNNING = re.compile(r"^Running stage '(?P<stage>[^']+)'")
_CACHED = re.compile(r"^Stage '(?P<stage>[^']+)' is cached")
_DVC_ERROR = re.compile(r"^(ERROR|WARNING): (?P<text>.*)")


@dataclass(frozen=True)
class Line:
    """One line; `kind` is one of progress, say, warning (events of a step), error (a step's last
    word), running, cached, dvc_error, noise (dvc's) or text."""

    kind: str
    text: str
    event: dict[str, Any] = field(default_factory=dict)


def parse(raw: str) -> Line:
    """Tell what one line of a stage's output is."""
    text = raw.rstrip()
    if text.startswith(_EVENT):
        try:
            event = json.loads(text.removeprefix(_EVENT))
        except ValueError:
            return Line("text", text)
        return Line(str(event.get("event", "text")), str(event.get("text", "")), event)
    if text.startswith(_ERROR):
        return Line("error", text.removeprefix(_ERROR))
    if match := _RUNNING.match(text):
        return Line("running", match["stage"])
    if match := _CACHED.match(text):
        return Line("cached", match["stage"])
    if _NOISE.match(text):
        return Line("noise", text)
    if match := _DVC_ERROR.match(text):
        return Line("dvc_error", match["text"])
    return Line("text", text)
