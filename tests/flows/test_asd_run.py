"""`asd run` as a real process on stages that sleep: what it prints, and that nothing outlives it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.flows.conftest import FakeWorkspace

ASD = [sys.executable, "-c", "import sys; from asd.cli import main; sys.exit(main())", "run"]
STAGE1 = "stage1@digits-badnets-none-0"


def run(fake: FakeWorkspace, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [*ASD, *arguments, "--workspace", str(fake.root)]
    environment = {**fake.environment(), **more}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


def asd(fake: FakeWorkspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*ASD[:-1], *arguments, "--workspace", str(fake.root)]
    return subprocess.run(command, env=fake.environment(), capture_output=True, text=True, timeout=200)


def start(fake: FakeWorkspace, *arguments: str) -> subprocess.Popen[bytes]:
    command = [*ASD, *arguments, "--workspace", str(fake.root)]
    return subprocess.Popen(
        command, env=fake.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def living(root: Path) -> list[str]:
    """Command lines of the processes that work in the workspace."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def assert_all_gone(root: Path) -> None:
    for _ in range(100):
        if not living(root):
            return
        time.sleep(0.1)
    raise AssertionError(f"still alive: {living(root)}")


@pytest.mark.slow
def test_flow_on_a_named_server_runs_what_is_stale_and_then_has_nothing_to_do(
    fake: FakeWorkspace, prefect_server: str
) -> None:
    cell = "digits/badnets/none/0"
    first = run(fake, cell, PREFECT_API_URL=prefect_server)
    assert (first.returncode, first.stderr) == (0, "")
    assert "3 of 3 stages are stale" in first.stdout
    assert f"stage1 {cell}: epoch 2/2  loss 0.25  pool 20" in first.stdout
    assert f"audit {cell}: done" in first.stdout
    second = run(fake, cell, PREFECT_API_URL="http://127.0.0.1:9/api")  # not even asked for
    assert (second.returncode, second.stderr) == (0, "")
    assert "nothing to do: all 3 stages are up to date" in second.stdout
    assert "digits/badnets/none/0" in second.stdout


def test_named_server_that_does_not_answer_is_an_error_of_one_line(fake: FakeWorkspace) -> None:
    done = run(fake, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 2
    assert done.stderr.startswith("asd: PREFECT_API_URL: no Prefect server answers at http://127.0.0.1:9/api")
    assert fake.pids("fetch@digits") == []


def test_dvc_engine_needs_no_prefect_and_says_what_failed(fake: FakeWorkspace) -> None:
    fake.order(stage1_0={"exit": 3, "error": "shard x is broken"})
    done = run(fake, "--engine", "dvc")
    assert (done.returncode, done.stderr) == (3, "asd: shard x is broken\n")
    assert "stage1 digits/badnets/none/0: failed: shard x is broken" in done.stdout
    assert "audit digits/badnets/none/1: epoch 2/2" in done.stdout
    assert not (fake.root / ".asd" / "prefect").exists()


def test_dry_run_says_why_and_how_long_and_runs_nothing(fake: FakeWorkspace) -> None:
    done = run(fake, "--dry-run", "--json", "digits/*/none/1")
    facts = json.loads(done.stdout)
    assert (done.returncode, fake.pids("fetch@digits")) == (0, [])
    assert {one["reason"] for one in facts["stale"]} == {"not run yet"}
    how = {one["stage"]: one["how"] for one in facts["stale"]}
    assert how == {
        "fetch@digits": "unknown",
        "stage1@digits-badnets-none-1": "measured",
        "audit@digits-badnets-none-1": "unknown",
    }
    assert facts["seconds"] > 0
    assert [need["what"].split()[0] for need in facts["needs"]] == ["disk", "memory"]


def test_json_without_a_dry_run_is_a_mistake(fake: FakeWorkspace) -> None:
    done = run(fake, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--json goes with --dry-run" in done.stderr


def test_failed_cell_is_marked_until_it_is_brought_up_to_date(fake: FakeWorkspace) -> None:
    fake.order(stage1_0={"exit": 3, "error": "shard x is broken"})
    first = run(fake, "--engine", "dvc")
    assert _states(fake) == {"digits/badnets/none/0": "failed", "digits/badnets/none/1": "missing"}
    assert "`asd status` says why" in first.stdout
    status = asd(fake, "status", "--json")
    cells = {one["cell"]: (one["state"], one["why"]) for one in json.loads(status.stdout)["cells"]}
    assert cells["digits/badnets/none/0"] == ("failed", "stage1: shard x is broken")
    assert cells["digits/badnets/none/1"] == ("done", "")
    fake.order()
    run(fake, "--engine", "dvc")
    assert set(_states(fake).values()) == {"missing"}  # these stages write no figures


def test_status_of_a_running_workspace_names_the_stage_and_its_progress(fake: FakeWorkspace) -> None:
    fake.order(stage1_0={"sleep": 60})
    process = start(fake, "--engine", "dvc")
    fake.wait_for(STAGE1)
    for _ in range(100):
        running = json.loads(asd(fake, "status", "--json").stdout)["running"]
        if running["stages"] and running["stages"][0][1]:
            break
    assert running["pid"] == process.pid
    assert running["stages"][0] == [STAGE1, "epoch 1/2  loss 0.5  pool 10"]
    refused = asd(fake, "clean")
    assert (refused.returncode, "another asd run" in refused.stderr) == (2, True)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert_all_gone(fake.root)


def test_damaged_dvc_lock_is_told_in_our_words_and_in_dvcs_when_verbose(fake: FakeWorkspace) -> None:
    (fake.root / "dvc.lock").write_text("stages: [")
    done = run(fake)
    assert done.returncode == 2
    assert "dvc.lock is damaged; `git checkout dvc.lock`" in done.stderr
    assert "dvc said" not in done.stderr
    assert "dvc said: " in run(fake, "--verbose").stderr


def _states(fake: FakeWorkspace) -> dict[str, str]:
    rows = json.loads(asd(fake, "table", "--json").stdout)
    return {f"{r['dataset']}/{r['attack']}/{r['defense']}/{r['trial']}": r["state"] for r in rows}


def test_change_of_params_is_printed_and_checked_before_anything_runs(fake: FakeWorkspace) -> None:
    good = run(fake, "-S", "random_seed=7", "--accept-risk", "--engine", "dvc")
    assert "+random_seed: 7" in good.stdout
    assert re.search(r"^\+  sift:\n\+    accept_risk: true$", good.stdout, re.MULTILINE)
    bad = run(fake, "-S", "attacks.badnets.poison_fractio=0.1")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "did you mean" in bad.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_run_leaves_no_process(fake: FakeWorkspace, number: int, code: int) -> None:
    fake.order(stage1_0={"sleep": 60})
    process = start(fake, "--engine", "dvc")
    fake.wait_for(STAGE1)
    process.send_signal(number)
    assert process.wait(30) == code
    assert_all_gone(fake.root)


@pytest.mark.slow
def test_kill_9_of_a_flow_run_leaves_no_process_and_no_server(fake: FakeWorkspace) -> None:
    fake.order(stage1_0={"sleep": 60})
    process = start(fake, "--jobs", "2")
    fake.wait_for(STAGE1)
    assert any("flows._server_child" in words for words in living(fake.root))
    refused = run(fake)
    assert refused.returncode == 2
    assert f"another asd run (pid {process.pid}) works in this workspace" in refused.stderr
    process.kill()
    process.wait()
    assert_all_gone(fake.root)


def test_kill_9_of_plain_dvc_ends_the_step_and_an_immediate_rerun_works(fake: FakeWorkspace) -> None:
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    fake.order(stage1_0={"sleep": 60})
    killed = subprocess.Popen(command, cwd=fake.root, env=fake.environment())
    step = fake.wait_for(STAGE1)
    killed.kill()
    killed.wait()
    (fake.root / "orders.json").write_text(json.dumps({}))
    again = subprocess.run(command, cwd=fake.root, env=fake.environment(), timeout=100)
    assert again.returncode == 0
    assert fake.pids(STAGE1)[0] == step
    assert len(fake.pids(STAGE1)) == 2
    assert_all_gone(fake.root)
