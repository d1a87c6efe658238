"""`asd serve` with stages that sleep: what ends it, what it survives, what is shown."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.flows.conftest import FakeWorkspace
from tests.flows.served import Api, Service, environment, free_port, wait_for

pytestmark = pytest.mark.filterwarnings(  # a killed service leaves pipes of this test open
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
STAGE1 = "stage1@digits-badnets-none-0"
ASD = [sys.executable, "-m", "asd"]


def of_service(fake: FakeWorkspace, **service: object) -> FakeWorkspace:
    """The workspace with a section `service`, and one cell."""
    params = yaml.safe_load((fake.root / "params.yaml").read_text())
    params["cells"]["trials"] = [0]
    params["service"] = {"nightly": None, "poll_seconds": 1, "rehearse": "never", **service}
    (fake.root / "params.yaml").write_text(yaml.safe_dump(params))
    return fake


@pytest.fixture
def served(fake: FakeWorkspace) -> Iterator[Service]:
    of_service(fake)
    service = Service(fake.root, DVC_SITE_CACHE_DIR=str(fake.root / "site")).start()
    yield service
    if service.process.poll() is None:
        service.kill()
    service.all_gone()


def serve(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*ASD, "serve", "--workspace", str(root), *words]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=100)


def test_port_that_is_taken_is_told_before_anything_starts(fake: FakeWorkspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(fake.root, f"--port={port}", f"--prefect-port={free_port()}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"asd: port {port} of 127.0.0.1 is taken; choose another one with --port\n"
    assert not (fake.root / ".asd" / "prefect").exists()


def test_one_port_for_two_things_is_refused(fake: FakeWorkspace) -> None:
    port = free_port()
    done = serve(fake.root, f"--port={port}", f"--prefect-port={port}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"asd: --port and --prefect-port are both {port}; give each its own\n"


def test_work_pool_needs_a_name_in_params(fake: FakeWorkspace) -> None:
    done = serve(fake.root, "--no-runner", f"--port={free_port()}", f"--prefect-port={free_port()}")
    assert done.returncode == 2
    assert done.stderr.startswith("asd: --no-runner needs service.name in params.yaml")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_addresses_answer_and_ctrl_c_ends_everything(fake: FakeWorkspace, served: Service) -> None:
    for name, port in served.ports.items():
        assert wait_for(lambda port=port: _status(port), name) == 200
        assert f"http://127.0.0.1:{port}/" in served.text
    assert str(fake.root / "inbox") in served.text
    second = serve(fake.root)
    assert second.returncode == 2
    assert "another asd serve" in second.stderr
    fake.order(stage1={"sleep": 600}, stage1_0={"sleep": 600})
    served.api.start("nightly")
    fake.wait_for(STAGE1)
    assert served.kill(signal.SIGINT) == 130
    served.all_gone()
    assert served.text.endswith("stopped; `asd serve` goes on from here\n")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_asd_run_uses_the_server_of_the_service(fake: FakeWorkspace, served: Service) -> None:
    command = [*ASD, "run", "--workspace", str(fake.root)]
    done = subprocess.run(command, env=dict(served.environment), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    runs = served.api.runs("defend")
    assert [run["state_name"] for run in runs] == ["Completed"]
    assert not (fake.root / ".asd" / "prefect" / "server.log").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cancelled_run_ends_its_stage_and_the_next_one_finishes(fake: FakeWorkspace, served: Service) -> None:
    fake.order(stage1_0={"sleep": 600})
    run = served.api.start("nightly")
    step = fake.wait_for(STAGE1)
    served.api.post(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}, "force": True})
    wait_for(lambda: not any(line.startswith(f"{step} ") for line in served.alive()), "the end of the stage")
    assert served.api.wait(run, "Cancelled") == "Cancelled"
    fake.order()
    again = served.api.start("nightly")
    assert served.api.wait(again, "Completed", "Failed", "Crashed") == "Completed", served.text
    assert len(fake.pids("fetch@digits")) == 2  # orders.json is what it depends on


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_runs_come_one_at_a_time(fake: FakeWorkspace, served: Service) -> None:
    fake.order(stage1_0={"sleep": 15})
    first, second = (served.api.start("nightly") for _ in range(2))
    fake.wait_for(STAGE1)
    states = [served.api.state(run) for run in (first, second)]
    assert states.count("Running") == 1, states
    assert set(states) & {"Scheduled", "Late", "Pending"}, states
    for run in (first, second):
        served.api.wait(run, "Completed")
    assert len(fake.pids(STAGE1)) == 1  # the second found nothing to do


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_failed_stage_is_shown_with_its_last_words(fake: FakeWorkspace, served: Service) -> None:
    fake.order(stage1_0={"exit": 3, "error": "shard x is broken"})
    run = served.api.start("nightly")
    served.api.wait(run, "Failed")
    assert "shard x is broken" in served.api.run(run)["state"]["message"]
    assert "shard x is broken" in served.api.artifacts(run)["summary"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_flow_killed_9_is_shown_as_crashed(fake: FakeWorkspace, served: Service) -> None:
    fake.order(stage1_0={"sleep": 600})
    run = served.api.start("nightly")
    step = fake.wait_for(STAGE1)
    served.process_of("prefect.engine").kill()
    served.api.wait(run, "Crashed")
    wait_for(lambda: not any(line.startswith(f"{step} ") for line in served.alive()), "the end of the stage")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", ["serve", "server", "runner"])
def test_whatever_is_killed_the_run_ends_well_and_no_stage_runs_twice(
    fake: FakeWorkspace, served: Service, victim: str
) -> None:
    fake.order(stage1_0={"sleep": 20})
    run = served.api.start("nightly")
    fake.wait_for(STAGE1)
    if victim == "serve":
        served.kill()
        served.all_gone()
        served.start()
    else:
        served.process_of({"server": "flows._server_child", "runner": "flows.deployments"}[victim]).kill()
    served.api.wait(run, "Completed")
    assert served.api.run(run)["run_count"] == (1 if victim == "server" else 2)
    assert len(fake.pids("fetch@digits")) == 1
    assert len(fake.pids("audit@digits-badnets-none-0")) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_server_of_somebody_else_shows_a_run_as_crashed_that_died_with_its_runner(
    fake: FakeWorkspace, tmp_path: Path
) -> None:
    of_service(fake)
    port = free_port()
    variables = environment(PREFECT_HOME=str(tmp_path / "home"), PREFECT_SERVER_ANALYTICS_ENABLED="false")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) as other:
        try:
            api = Api(f"http://127.0.0.1:{port}/api")
            wait_for(lambda: _answers(api), "the other server")
            service = Service(fake.root, PREFECT_API_URL=api.url, DVC_SITE_CACHE_DIR=str(fake.root / "site"))
            service.start()
            fake.order(stage1_0={"sleep": 600})
            run = api.start("nightly")
            fake.wait_for(STAGE1)
            service.kill()
            service.all_gone()
            assert api.wait(run, "Crashed") == "Crashed"
            assert "no sign of life" in api.run(run)["state"]["message"]
            fake.order()
            service.start()  # what is crashed stays so: the next night does it
            assert api.state(run) == "Crashed"
            service.kill()
            service.all_gone()
        finally:
            other.terminate()
            other.wait(60)


def _status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            return int(page.status)
    except OSError:
        return 0


def _answers(api: Api) -> bool:
    try:
        return bool(api.get("health"))
    except OSError:
        return False
