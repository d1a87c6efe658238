"""`python -m asd`: the command `asd` for programs that start it; it dies with them."""

from __future__ import annotations

import os
import sys

from asd.cli import main
from asd.lifeline import PARENT, die_with_parent

if __name__ == "__main__":
    if PARENT in os.environ:
        die_with_parent()
    sys.exit(main())
