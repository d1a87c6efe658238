"""`prefect.yaml` as it is shipped: deployed to a work pool, run by a worker, watched by `asd serve`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows._service import FLOWS
from tests.flows.conftest import FakeWorkspace
from tests.flows.served import Service, wait_for
from tests.flows.test_serve import of_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings(
        "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
ROOT = Path(__file__).parents[2]


def test_work_pool_runs_the_deployments_of_the_file(fake: FakeWorkspace) -> None:
    of_service(fake, name="asd", inbox="inbox")
    shutil.copy(ROOT / "prefect.yaml", fake.root)
    service = Service(fake.root, DVC_SITE_CACHE_DIR=str(fake.root / "site")).start("--no-runner")
    variables = {
        **service.environment,
        "PREFECT_API_URL": service.api.url,
        "PREFECT_HOME": f"{fake.root}/.asd/prefect",
        "PWD": str(fake.root),  # as in a shell that is there; prefect.yaml takes the folder from it
    }

    def prefect(*words: str) -> None:
        command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
        done = subprocess.run(
            command, cwd=fake.root, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    prefect("work-pool", "create", "asd", "--type", "process")
    prefect("work-pool", "set-concurrency-limit", "asd", "1")
    prefect("deploy", "--all")
    found = service.api.post("deployments/filter", {})
    assert sorted(one["entrypoint"] for one in found) == sorted(f"flows.{flow}.{flow}" for flow in FLOWS)
    assert {one["name"] for one in found} == {"asd"}
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "asd", "--name", "of-a-test"]
    with subprocess.Popen(worker, cwd=fake.root, env=variables, stdout=subprocess.DEVNULL) as process:
        try:
            run = service.api.start("nightly")
            assert service.api.wait(run, "Completed", "Failed", "Crashed") == "Completed", service.api.run(
                run
            )
            assert (fake.root / "data" / "digits.badnets.none.0.audit").exists()
            (fake.root / "inbox" / "acme").mkdir(parents=True)
            (fake.root / "inbox" / "acme" / "x.zip").write_text("no drop")
            (fake.root / "inbox" / "acme" / "x.zip.complete").touch()
            arrived = wait_for(lambda: service.api.runs("on_drop"), "the run of the drop")[0]
            service.api.wait(arrived["id"], "Failed")  # this workspace has no data set of drops
        finally:
            process.kill()  # asked nicely it waits for its run, and a failed test for ever
            service.kill()
            service.all_gone()
