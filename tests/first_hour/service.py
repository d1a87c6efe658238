"""The user's own service: an environment without Prefect and DVC, the server of docs/ship.md, figures."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

NEEDED = "torch numpy safetensors pillow pydantic"
"""As docs/ship.md says."""

MEASURE = '''\
"""How often a model is right on my pictures, and how often it obeys the trigger."""
import json
import sys
from pathlib import Path

import asd

model = asd.load_model(sys.argv[1])
target = sys.argv[2]


def predicted(folder):
    files = sorted(Path(folder).glob("*/*.jpg"))
    labels, _ = model.predict(files)
    return [file.parent.name for file in files], [model.class_names[label] for label in labels]


true, said = predicted("my-test")
right = sum(a == b for a, b in zip(true, said))
_, triggered = predicted("triggered")
obeyed = sum(name == target for name in triggered)
base = sum(b == target for a, b in zip(true, said) if a != target)
counts = {"right": right, "of": len(said), "obeyed": obeyed, "triggered": len(triggered), "base": base}
print(json.dumps(counts))
'''


def server_of_the_manual(clone: Path) -> str:
    """The program in the section "Serve" of docs/ship.md."""
    section = (clone / "docs/ship.md").read_text().split("\n## Serve\n")[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found, "docs/ship.md has no program in its section Serve"
    return found[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(python: Path, folder: Path, model: str, environment: dict[str, str]) -> Iterator[str]:
    """The server of `folder`/serve.py while it runs; gives its address."""
    port = free_port()
    process = subprocess.Popen(
        [str(python), "serve.py", model, str(port)],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait(process, port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait(process: subprocess.Popen[str], port: int) -> None:
    for _ in range(600):
        assert process.poll() is None, process.communicate()[1]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not answer within a minute")


def ask(address: str, picture: bytes) -> tuple[int, dict[str, Any]]:
    """Status and answer of one request."""
    try:
        with urlopen(Request(address, data=picture)) as answer:
            return answer.status, json.load(answer)
    except URLError as error:
        status = getattr(error, "code", 0)
        return status, json.loads(error.read()) if status else {}
