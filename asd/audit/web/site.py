"""What all pages share: the workspace, who asks, the pictures, and the rules for a write."""

from __future__ import annotations

import threading

from starlette.requests import Request

from asd.audit.web.data import Data
from asd.audit.web.forms import read_form
from asd.audit.web.pictures import Pictures
from asd.audit.web.render import Pages, View
from asd.audit.web.sessions import Failures, Session, Sessions, same
from asd.audit.web.settings import Settings
from asd.errors import AsdError, ParamsError
from asd.layout import Cell
from asd.params import Workspace, load_workspace


class NotFoundError(Exception):
    """There is no such page; the message says what is missing."""


class ForbiddenError(Exception):
    """A write without a session, or from another session's form."""


class Site:
    """One server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = settings.layout
        self.sessions = Sessions(settings.layout.audit_tokens)
        self.failures = Failures()
        self.pictures = Pictures(settings.layout)
        self.data = Data(settings.layout)
        self.pages = Pages(settings.layout.root.name)
        self._lock = threading.Lock()
        self._workspace: tuple[tuple[int, int], Workspace] | None = None

    def workspace(self) -> Workspace:
        """The workspace with its params as they are now.

        Raises:
            ParamsError: params.yaml is wrong.
        """
        found = self.layout.params.stat()
        stamp = (found.st_mtime_ns, found.st_size)
        with self._lock:
            if self._workspace is None or self._workspace[0] != stamp:
                self._workspace = (stamp, load_workspace(self.layout.root))
            return self._workspace[1]

    def cells(self) -> dict[str, Cell]:
        """Listed cells and those that were audited before, by their text; listed ones come first."""
        try:
            listed = self.workspace().cells()
        except ParamsError:
            listed = []
        cells = {str(cell): cell for cell in listed}
        for run in self.data.runs():
            cells.setdefault(str(run.cell), run.cell)
        return cells

    def cell(self, request: Request) -> Cell:
        """The cell that a path names.

        Raises:
            NotFoundError: there is none; words of a path are looked up and never become paths of files.
        """
        words = [request.path_params[name] for name in ("dataset", "attack", "defense", "trial")]
        found = self.cells().get("/".join(words))
        if found is None:
            raise NotFoundError(f"There is no run {'/'.join(words)} in this workspace.")
        return found

    # -- who asks ------------------------------------------------------------------------------

    def session(self, request: Request) -> Session | None:
        """The session of a request."""
        return self.sessions.find(request.cookies.get(self.settings.cookie))

    def view(self, request: Request) -> View:
        """What templates know about a request."""
        return View(request, self.session(request))

    async def written(self, request: Request) -> tuple[Session, dict[str, str]]:
        """The reviewer and the fields of a form that may be acted on.

        Raises:
            ForbiddenError: nobody is signed in, or the form is not of this session.
            ParamsError: the form cannot be read.
        """
        session = self.session(request)
        if session is None:
            raise ForbiddenError("Sign in first: what you write carries your name.")
        form = await read_form(request)
        if not same(form.pop("csrf", ""), session.csrf):
            raise ForbiddenError("This form is of another session; open the page again and repeat.")
        return session, form

    def shown(self, error: AsdError) -> str:
        """An error without this machine's folders."""
        return str(error).replace(f"{self.layout.root}/", "")
