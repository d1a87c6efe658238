"""Bad ends are told once through a Prefect block, to a web hook on loopback and to a mail server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.flows import service

pytestmark = [
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # Prefect's event sockets
]


@pytest.fixture
def hook() -> Iterator[Any]:
    """A web hook; `got` holds what was posted to it."""
    got: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got = got  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client() -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as found:
        yield found


def web_hook(url: str, name: str) -> str:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(
        name=name, url=url, json_data={"title": "{{subject}}", "text": "{{body}}"}
    )
    block.save(name, overwrite=True)
    return f"custom-webhook/{name}"


def test_each_bad_end_is_told_once_also_after_a_restart(client: Any, hook: Any, tmp_path: Path) -> None:
    from prefect.client.schemas.objects import StateType

    from flows._notify import Teller

    block = web_hook(f"http://127.0.0.1:{hook.server_port}/", "each-bad-end")
    layout = service.workspace(tmp_path / "told", f", notify: {block}")
    ids, said = service.deployed(client, layout), []
    old = client.create_flow_run_from_deployment(ids["nightly"])
    service.end(client, old.id, StateType.FAILED, "long ago")
    teller = Teller(layout, client, said.append)
    assert teller.turn(datetime.now(UTC)) == 0
    names = []
    ends = {"FAILED": "gates.least_acc fails\x1b[2J", "CRASHED": "gone", "COMPLETED": "well"}
    for kind, message in ends.items():
        run = client.create_flow_run_from_deployment(ids["on_drop"], name=f"acme/{kind.lower()}")
        service.end(client, run.id, StateType(kind), message)
        names.append(run.name)
    assert teller.turn(datetime.now(UTC)) == 2
    assert Teller(layout, client, said.append).turn(datetime.now(UTC)) == 0
    assert sorted(one["title"] for one in hook.got) == [
        "asd told: acme/crashed crashed",
        "asd told: acme/failed failed",
    ]
    text = next(one["text"] for one in hook.got if "failed" in one["title"])
    assert text == f"gates.least_acc fails\ufffd[2J\nworkspace: {layout.root}"
    assert said == []


def test_block_that_cannot_be_reached_is_given_up_and_said(client: Any, tmp_path: Path) -> None:
    from prefect.client.schemas.objects import StateType

    from flows._notify import Teller

    block = web_hook("http://127.0.0.1:9/", "nobody")
    layout = service.workspace(tmp_path / "nobody", f", notify: {block}")
    ids, said = service.deployed(client, layout), []
    teller = Teller(layout, client, said.append)
    run = client.create_flow_run_from_deployment(ids["on_drop"], name="acme/x")
    service.end(client, run.id, StateType.FAILED)
    assert [teller.turn(datetime.now(UTC)) for _ in range(7)] == [0] * 7
    assert len(said) == 1
    assert said[0].startswith("acme/x: nobody could be told by custom-webhook/nobody: ")


def test_what_is_no_notification_block_is_refused(client: Any) -> None:
    from prefect.blocks.system import Secret

    from asd.errors import ParamsError
    from flows._notify import notify

    Secret(value="x").save("of-a-test", overwrite=True)
    with pytest.raises(ParamsError, match="secret/of-a-test is no notification block"):
        notify("secret/of-a-test", "subject", "body")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Apprise
def test_e_mail_block_speaks_smtp(client: Any) -> None:
    from flows._notify import notify
    from flows.blocks import Email

    with socket.create_server(("127.0.0.1", 0)) as listening:
        got: list[str] = []
        thread = threading.Thread(target=answer_mail, args=(listening, got), daemon=True)
        thread.start()
        port = listening.getsockname()[1]
        url = f"mailto://127.0.0.1:{port}?from=asd@example.org&to=ada@example.org&mode=insecure"
        Email(url=url).save("of-a-test", overwrite=True)
        notify("asd-email/of-a-test", "a gate fails", "least_acc")
        thread.join(20)
    text = "\n".join(got)
    assert "rcpt to:<ada@example.org>" in text.lower()
    assert "Subject: a gate fails" in text
    assert "least_acc" in text


def answer_mail(listening: socket.socket, got: list[str]) -> None:
    """The least that a mail server says; keeps every line that it is told."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rwb") as stream:
        stream.write(b"220 test\r\n")
        stream.flush()
        in_text = False
        for raw in stream:
            line = raw.decode().rstrip("\r\n")
            got.append(line)
            if in_text:
                if line == ".":
                    in_text = False
                    stream.write(b"250 taken\r\n")
                    stream.flush()
                continue
            in_text = line.upper() == "DATA"
            word = line.partition(" ")[0].upper()
            stream.write({"DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n"))
            stream.flush()
            if word == "QUIT":
                return
