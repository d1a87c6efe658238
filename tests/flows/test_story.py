"""The whole story with a real server: three drops, one hostile, one repeating, and everything killed once.

With ASD_SCREENSHOTS=FOLDER the page of the last flow run is kept as FOLDER/flow-run.png.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from asd.drop_records import read_records
from asd.layout import Cell, Layout
from asd.shards.manifest import read_index
from tests.flows import drops
from tests.flows.served import Service, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.filterwarnings(
        "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
CELL = Cell("drops", "none", "asd", 0)
LONG = 1200.0


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def asd(layout: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "asd", *words, "--workspace", str(layout.root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[tuple[Layout, Service]]:
    layout = drops.workspace(
        tmp_path / "acme-service", tmp_path / "seeds", "service.commit=true", "service.push=true"
    )
    for key, value in {"user.name": "Ada", "user.email": "ada@example.org"}.items():
        git(layout.root, "config", key, value)
    git(layout.root, "add", ".")
    git(layout.root, "commit", "-qm", "a new workspace")
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(layout.root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    remote = ["remote", "add", "--local", "-d", "shared", str(tmp_path / "results")]
    subprocess.run([sys.executable, "-m", "dvc", *remote], cwd=layout.root, check=True, capture_output=True)
    service = Service(layout.root)
    yield layout, service
    service.process.kill()
    service.process.wait()
    service.all_gone()


def begun(layout: Layout, service: Service, count: int, stage: str) -> str:
    """Wait until the run of the drop number `count` works on a stage; the run."""

    def all_runs() -> list[dict[str, Any]]:
        found = service.api.runs("on_drop")
        return found if len(found) == count else []

    run = wait_for(all_runs, f"run {count}", LONG)[-1]["id"]

    def works() -> bool:
        marks = json.loads(layout.run_record.read_text())["stages"] if layout.run_record.exists() else {}
        return any(name.startswith(stage) and mark["state"] == "running" for name, mark in marks.items())

    wait_for(lambda: works() or service.api.state(run) in ("Failed", "Completed"), f"{stage} of {run}", LONG)
    assert service.api.state(run) in ("Running", ""), service.api.run(run)
    return str(run)


def test_three_drops_one_hostile_one_repeating_and_a_server_that_dies(
    story: tuple[Layout, Service], tmp_path: Path
) -> None:
    layout, service = story
    service.start()

    first = drops.pictures(range(drops.PER_CLASS))
    drops.put_folder(layout, "acme/monday", first)
    run1 = wait_for(lambda: service.api.runs("on_drop"), "the first run")[0]["id"]
    service.api.wait(run1, "Completed", "Failed", seconds=LONG)
    check_run(service, run1, "drop 1 (acme/monday): 9 stages ran")
    keys = read_index(layout.fetched("drops", "train")).keys

    evils = drops.put_hostile_zip(layout, "bert/tuesday.zip", drops.pictures(range(100, 140)))
    run2 = begun(layout, service, 2, "fetch")
    service.process_of("flows._server_child").kill()  # started again by itself
    service.api.wait(run2, "Completed", "Failed", seconds=LONG)
    check_run(service, run2, "drop 2 (bert/tuesday.zip): ")
    assert service.said("the Prefect server ended with exit code")

    drops.put_folder(layout, "acme/wednesday", drops.pictures([*range(20), *range(200, 220)]))
    run3 = begun(layout, service, 3, "stage")
    service.kill()  # -9: nothing of it is left, and a person starts it again
    service.all_gone()
    service.start()
    service.api.wait(run3, "Completed", "Failed", seconds=LONG)
    check_run(service, run3, "drop 3 (acme/wednesday): ")
    assert service.api.run(run3)["run_count"] == 2

    check_nothing_lost_or_doubled(layout, service, keys, evils["evils"])
    check_shared(layout, tmp_path)
    if os.environ.get("ASD_SCREENSHOTS"):
        page = f"http://127.0.0.1:{service.ports['prefect']}/runs/flow-run/{run2}"
        screenshot(page, Path(os.environ["ASD_SCREENSHOTS"]))


def check_run(service: Service, run: str, message: str) -> None:
    """It was gated, run, audited, diffed and judged; all of that is shown."""
    found = service.api.run(run)
    assert found["state_name"] == "Completed", found["state"]["message"]
    assert found["state"]["message"].startswith(message)
    shown = service.api.artifacts(run)
    assert {"gate", "results", "summary", "diff", "pools", "gates", "report-drops-none-asd-0"} <= set(shown)
    assert "gates.least_acc holds" in shown["gates"]
    assert f"http://127.0.0.1:{service.ports['page']}/run/{CELL}" in shown["report-drops-none-asd-0"]


def check_nothing_lost_or_doubled(
    layout: Layout, service: Service, first_keys: tuple[str, ...], evils: int
) -> None:
    records = read_records(layout)
    assert [(r.number, r.source, r.status) for r in records] == [
        *((1, "acme", "accepted"), (2, "bert", "accepted"), (3, "acme", "accepted")),
    ]
    assert [(r.accepted, r.quarantined) for r in records] == [(120, 0), (120, evils), (60, 60)]
    assert records[2].reasons == {"duplicate": 60}
    runs = service.api.runs("on_drop")
    assert len(runs) == len({run["idempotency_key"] for run in runs}) == 3
    assert {run["idempotency_key"] for run in runs} == {record.sha256 for record in records}
    train, test = (read_index(layout.fetched("drops", split)) for split in ("train", "test"))
    every = [*train.keys, *test.keys]
    assert len(every) == len(set(every)) == 300
    assert len(set(train.content) | set(test.content)) == 300
    assert set(first_keys) <= set(every)
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "status"], cwd=layout.root, capture_output=True, text=True, check=True
    )
    assert "up to date" in status.stdout, status.stdout
    assert not Path("/tmp/owned").exists()
    assert asd(layout, "verify").returncode == 0
    diff = asd(layout, "audit", "diff", f"{CELL}@previous", str(CELL))
    assert diff.returncode == 0, diff.stderr


def check_shared(layout: Layout, folder: Path) -> None:
    """Three commits on the branch, the user's own untouched; a clone of origin gets the results."""
    subjects = git(layout.root, "log", "--first-parent", "--format=%s", "asd/runs").splitlines()
    assert [subject for subject in subjects if subject.startswith("Drop")] == [
        *("Drop 3 from acme/wednesday", "Drop 2 from bert/tuesday.zip", "Drop 1 from acme/monday"),
    ]
    assert git(layout.root, "log", "--format=%s", "HEAD") == "a new workspace"
    assert git(layout.root, "diff", "--cached", "--name-only") == ""
    git(folder, "clone", "-q", "-b", "asd/runs", str(folder / "origin.git"), "clone")
    pull = [sys.executable, "-m", "dvc", "remote", "add", "--local", "-d", "shared", str(folder / "results")]
    subprocess.run(pull, cwd=folder / "clone", check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "dvc", "pull", "-q"], cwd=folder / "clone", check=True)
    there = Layout(folder / "clone")
    assert there.metrics(CELL).read_bytes() == layout.metrics(CELL).read_bytes()
    assert (
        read_index(there.fetched("drops", "train")).keys == read_index(layout.fetched("drops", "train")).keys
    )


def screenshot(url: str, folder: Path) -> None:
    """The page of a run, as headless Chromium shows it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    words = ["--headless=new", "--no-sandbox", "--window-size=1400,1100", "--virtual-time-budget=25000"]
    target = folder / "flow-run.png"
    subprocess.run([browser, *words, f"--screenshot={target}", url], check=True, capture_output=True)
    assert target.stat().st_size > 10_000


def test_failed_gate_and_held_drop_are_told_with_their_cause(tmp_path: Path) -> None:
    """A gate that cannot hold, then a drop that is all broken: both reach a web hook."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    hook = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    layout = drops.workspace(
        tmp_path / "w", tmp_path / "seeds", "gates.least_acc=1.0", "service.notify=custom-webhook/team"
    )
    service = Service(layout.root).start()
    try:
        block = {"name": "team", "url": f"http://127.0.0.1:{hook.server_port}/", "method": "POST"}
        save_block(service, {**block, "json_data": {"title": "{{subject}}", "text": "{{body}}"}})
        drops.put_folder(layout, "acme/broken", {f"red/{n}.png": b"no picture" for n in range(5)})
        wait_for(lambda: len(got) == 1, "the held drop to be told", LONG)
        muddled = {  # labels that nobody can learn
            f"{drops.CLASSES[n % 3]}/{n}.png": drops.picture(n, n // 3 % 3) for n in range(120)
        }
        drops.put_folder(layout, "acme/monday", muddled)
        wait_for(lambda: len(got) == 2, "the gate to be told", LONG)
    finally:
        service.kill()
        service.all_gone()
        hook.shutdown()
        hook.server_close()
    assert got[0]["title"].startswith("asd w: acme/broken ")
    assert got[0]["title"].endswith(" held")
    assert "`asd drop show 1` has the cures" in got[0]["text"]
    assert got[1]["title"].endswith(" gatefailed")
    assert "gates.least_acc fails" in got[1]["text"]
    assert not layout.current_model.exists()


def save_block(service: Service, data: dict[str, Any]) -> None:
    """Save a web hook block as a person would in the page of Prefect."""
    code = (
        "import json, sys; from prefect.blocks.notifications import CustomWebhookNotificationBlock as B; "
        "B(**json.loads(sys.argv[1])).save(json.loads(sys.argv[1])['name'], overwrite=True)"
    )
    environment = {**service.environment, "PREFECT_API_URL": service.api.url}
    subprocess.run([sys.executable, "-c", code, json.dumps(data)], env=environment, check=True)
