"""`asd audit token` and `asd audit serve` from the outside."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from asd.audit.tokens import reviewer_of
from asd.cli import main
from asd.layout import Layout


def asd(capsys, *words):
    code = main(words)
    return code, capsys.readouterr()


@pytest.fixture
def tokens(workspace):
    return ("audit", "token", "--workspace", str(workspace))


def test_a_token_is_printed_once_and_works(workspace, tokens, capsys):
    code, said = asd(capsys, *tokens, "Ada", "--json")
    made = json.loads(said.out)
    assert (code, made["name"]) == (0, "Ada")
    assert reviewer_of(Layout(workspace).audit_tokens, made["token"]).name == "Ada"
    code, said = asd(capsys, *tokens, "--list", "--json")
    assert [one["name"] for one in json.loads(said.out)] == ["Ada"]
    assert made["token"] not in said.out


def test_a_token_is_taken_back(workspace, tokens, capsys):
    made = json.loads(asd(capsys, *tokens, "Ada", "--json")[1].out)["token"]
    code, said = asd(capsys, *tokens, "Ada", "--revoke")
    assert (code, said.out) == (0, "the token of Ada is worth nothing now\n")
    assert reviewer_of(Layout(workspace).audit_tokens, made) is None


@pytest.mark.parametrize("words", [(), ("--revoke",), ("Ada", "--list"), ("Ada", "--revoke"), ("=1",)])
def test_what_makes_no_sense_is_refused(tokens, capsys, words):
    code, said = asd(capsys, *tokens, *words)
    assert code == 2
    assert said.err.startswith("asd: ")
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--host", "0.0.0.0"), "--name"),
        (("--certificate", "x.pem"), "--key"),
        (("--certificate", "x.pem", "--key", "y.pem"), "missing file x.pem"),
    ],
)
def test_a_server_that_cannot_be_is_refused(workspace, capsys, words, hint):
    code, said = asd(capsys, "audit", "serve", "--workspace", str(workspace), *words)
    assert code == 2
    assert hint in said.err


def serving(workspace, port):
    start = "import sys; from asd.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", start, "audit", "serve", "--port", str(port), "--workspace", str(workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell lets what it starts in the background ignore Ctrl-C, and children would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_the_server_answers_until_it_is_interrupted(workspace):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = serving(workspace, port)
    try:
        page = wait_for(f"http://127.0.0.1:{port}/", server)
        assert "digits/badnets/asd/0" in page
        second = serving(workspace, port)
        _, said = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"cannot listen on 127.0.0.1, port {port}" in said
        server.send_signal(signal.SIGINT)
        said, complaints = server.communicate(timeout=60)
        assert server.returncode == 130
        assert f"http://127.0.0.1:{port}/" in said
        assert "next: asd audit token NAME" in said
        assert "Traceback" not in complaints
    finally:
        server.kill()
        server.communicate()


def wait_for(address, server):
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server did not start")
