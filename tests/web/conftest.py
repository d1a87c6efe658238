"""One workspace, one server and one browser for all tests of the pages."""

import contextlib
import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from asd.audit.tokens import new_token
from asd.audit.web.app import create_app
from asd.audit.web.settings import LiveCell, Settings
from tests.web.audited import build

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


NO_BROWSER = "no Chromium on this machine: pages not tested (Debian: apt-get install chromium)"


def find_browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(items):
    """Without Chromium one line a file says so; where CI runs it is a failure (fixture `browser`)."""
    if find_browser() is None and os.environ.get("CI") != "true":
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(pytest.mark.skip(reason=NO_BROWSER))


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    return build(tmp_path_factory.mktemp("web") / "pets-workspace")


@pytest.fixture(scope="session")
def tokens(layout):
    return {name: new_token(layout, name) for name in ("Ada", "Grace")}


@contextlib.contextmanager
def serving(layout, live=None):
    """A server of a workspace's pages in a thread; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    settings = Settings(layout, port=port, live=lambda: live or {})
    config = uvicorn.Config(
        create_app(settings), log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=3
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    open_ones = [
        f"{one.client} {one.cycle and one.cycle.scope['path']}" for one in server.server_state.connections
    ]
    assert not thread.is_alive(), f"the server goes on: {open_ones}, {server.server_state.tasks}"
    listening.close()


@pytest.fixture(scope="session")
def address(layout, tokens):
    text = "epoch 5 of 6, loss 1.25 <b>now</b>"
    with serving(layout, {"pets/badnets/asd/2": LiveCell("running", "stage2", text)}) as found:
        yield found


@pytest.fixture(scope="module")  # not longer: Prefect's tests would take Playwright's event loop for theirs
def browser():
    from playwright.sync_api import sync_playwright

    found = find_browser()
    if found is None:
        pytest.fail(NO_BROWSER)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield started
        started.close()


class Visit:
    """A browser window of its own, with what went wrong in it."""

    def __init__(self, context, address):
        self.page = context.new_page()
        self.address = address
        self.complaints = []
        self.requests = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message):
        if message.type in ("error", "warning") and "404" not in message.text:
            self.complaints.append(message.text)

    def go(self, path):
        return self.page.goto(self.address + path)

    def sign_in(self, token, back="/"):
        self.go(f"/login?back={back}")
        self.page.fill("#token", token)
        self.follow("button.main")

    def follow(self, selector):
        """Click what leads to another page, and wait for that."""
        with self.page.expect_navigation(wait_until="load"):
            self.page.click(selector)


@pytest.fixture
def visit(browser, address):
    """Opens windows: visit(), or visit(color_scheme="dark", viewport={...})."""
    contexts = []

    def open_window(at=address, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        return Visit(context, at)

    yield open_window
    for context in contexts:
        context.close()
