"""`asd` in this process, killed with SIGKILL at a moment: argument 1 is JSON, the others are the command.

- {"rename": n}: before the n-th rename of a file or folder;
- {"seconds": s}: after s seconds by the clock;
- {"note": FILE}: not at all; the targets of all renames are written to FILE.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> int:
    moment: dict[str, Any] = json.loads(sys.argv[1])
    seen: list[str] = []

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def rename(self: Path, target: Path) -> Any:
            seen.append(str(target))
            if len(seen) == moment.get("rename"):
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, target)

        return rename

    for method in ("rename", "replace"):
        setattr(Path, method, counted(getattr(Path, method)))
    if "seconds" in moment:
        timer = threading.Timer(moment["seconds"], os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    from asd.cli import main as asd_main

    code = asd_main(sys.argv[2:])
    if "note" in moment:
        Path(moment["note"]).write_text(json.dumps(seen))
    return code


if __name__ == "__main__":
    sys.exit(main())
