"""The service on a real PostgreSQL, started here on loopback; one variable names it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import FakeWorkspace
from tests.flows.served import Service, environment, free_port, wait_for
from tests.flows.test_serve import of_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings(
        "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


def program(name: str) -> str:
    """A program of PostgreSQL; Debian keeps them outside the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ.get("PATH", "")]))
    assert found, f"no {name} here: apt-get install postgresql"
    return found


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a fresh cluster; PostgreSQL refuses to run as root, so root hands it to another user."""
    folder = tmp_path_factory.mktemp("postgres")
    user: list[str] = []
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        owner = "postgres" if "postgres" in names else "nobody"
        user = ["setpriv", f"--reuid={owner}", "--clear-groups", "--regid", str(pwd.getpwnam(owner).pw_gid)]
        shutil.chown(folder, owner)
        for above in (folder, *folder.parents):
            if above.stat().st_uid == 0 and above != Path("/") and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
    data, port = folder / "data", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder}
    init = [program("initdb"), "-D", str(data), "-U", "asd", "-A", "trust", "--no-sync"]
    subprocess.run([*user, *init], check=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **quiet)
    words = ["-D", str(data), "-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"]
    with subprocess.Popen([*user, program("postgres"), *words], **quiet) as server:
        try:
            wait_for(lambda: _ready(port), "PostgreSQL", 60)
            subprocess.run(
                [program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "asd", "prefect"], check=True
            )
            yield f"postgresql+asyncpg://asd@127.0.0.1:{port}/prefect"
        finally:
            server.terminate()
            server.wait(60)


def _ready(port: int) -> bool:
    words = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(words, check=False).returncode == 0


def tables(url: str) -> int:
    """Flow runs that the database holds."""
    address = url.replace("+asyncpg", "")
    asked = [program("psql"), "-At", "-c", "select count(*) from flow_run", address]
    return int(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


def test_service_keeps_its_runs_in_postgresql_and_goes_on_after_kill_9(
    fake: FakeWorkspace, postgres: str
) -> None:
    of_service(fake)
    more = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres, "DVC_SITE_CACHE_DIR": str(fake.root / "site")}
    service = Service(fake.root, **more).start()
    fake.order(stage1_0={"sleep": 20})
    run = service.api.start("nightly")
    fake.wait_for("stage1@digits-badnets-none-0")
    service.kill()
    service.all_gone()
    service.start()
    service.api.wait(run, "Completed")
    assert service.kill(15) == 143
    service.all_gone()
    assert tables(postgres) == 1
    assert not list((fake.root / ".asd").rglob("*.db"))


def test_database_that_does_not_answer_is_told(fake: FakeWorkspace) -> None:
    of_service(fake)
    url = f"postgresql+asyncpg://asd@127.0.0.1:{free_port()}/prefect"
    words = ["serve", "--workspace", str(fake.root), f"--port={free_port()}", f"--prefect-port={free_port()}"]
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "asd", *words],
        env=environment(PREFECT_SERVER_DATABASE_CONNECTION_URL=url),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL names does not answer" in done.stderr
