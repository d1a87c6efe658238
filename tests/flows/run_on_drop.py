"""`python run_on_drop.py ROOT PLACE SOURCE NAME`: one run of the flow in a process of its own."""

from __future__ import annotations

import sys

from flows.on_drop import on_drop

if __name__ == "__main__":
    state = on_drop(*sys.argv[1:5], return_state=True)
    sys.stdout.write(f"{state.name} {state.message}\n")
    sys.exit(0 if state.is_completed() else 1)
