"""`python -m flows._server_child PORT`: a Prefect server for one run, which dies with its parent.

Prefect's own temporary server is a plain child: it outlives a `kill -9` of the flow.
"""

from __future__ import annotations

import sys

from asd.lifeline import die_with_parent


def main() -> None:
    """Serve the API (no pages) on a loopback port until killed."""
    die_with_parent()
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
