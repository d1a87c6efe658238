"""`asd audit serve` and `asd audit token`: the audit as pages, and who may write on them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, find_workspace, print_json
from asd.errors import ParamsError
from asd.layout import Layout

if TYPE_CHECKING:
    from asd.audit.web.settings import LiveCell, Settings


def register(group: typer.Typer) -> None:
    """Add the commands to the group `audit`."""
    group.command("serve", epilog="Example: asd audit serve --port 8765")(serve)
    group.command("token", epilog='Example: asd audit token "Ada Lovelace"')(token)


def serve(
    host: Annotated[
        str, typer.Option(metavar="H", help="Address to listen on; others than this machine need tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="P", min=1, max=65535, help="Port.")] = 8765,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that people type for this machine; may be repeated."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM certificate: serve https.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PEM key of the certificate.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the audit as pages: runs, samples, seeds, comparison. Ctrl-C ends it.

    On this machine everybody may read; to write, sign in with a token of `asd audit token`. On
    another address every page asks for a token; give a certificate, or put it behind something
    that speaks https: a token over plain http can be overheard.
    """
    from asd.audit.web.settings import Settings, is_loopback, names_for

    layout = Layout(find_workspace(workspace))
    if (certificate is None) != (key is None):
        raise ParamsError("give --certificate and --key together")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise ParamsError(f"missing file {file}")
    secure = certificate is not None
    settings = Settings(
        layout,
        hosts=names_for(host, name or ()),
        open_to_read=is_loopback(host),
        port=port,
        secure=secure,
        live=what_runs(layout),
    )
    _say_address(settings.open_to_read, layout, host, port, secure=secure)
    _run(settings, host, certificate, key)


def _run(settings: Settings, host: str, certificate: Path | None, key: Path | None) -> None:
    """Serve until interrupted.

    Raises:
        ParamsError: the port is taken, or the certificate is none.
    """
    import uvicorn

    from asd.audit.web.app import create_app

    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=settings.port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # an address in a header is anybody's to write
        lifespan="off",
        ws="none",
        limit_concurrency=100,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=10,  # a client that never reads its answer must not hold Ctrl-C up
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit as error:  # uvicorn has said why
        raise ParamsError(
            f"cannot listen on {host}, port {settings.port}; choose another with --port"
        ) from error
    except ssl.SSLError as error:
        raise ParamsError(
            f"{certificate} and {key} are no certificate with its key (PEM): {error}"
        ) from error


def _say_address(loopback: bool, layout: Layout, host: str, port: int, *, secure: bool) -> None:
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"{layout.root}: http{'s' if secure else ''}://{shown}:{port}/  (Ctrl-C ends it)")
    if not layout.audit_tokens.exists():
        typer.echo("nobody can sign in yet; next: asd audit token NAME")
    if not loopback and not secure:
        typer.echo("warning: tokens and pages go over plain http; give --certificate and --key", err=True)


def what_runs(layout: Layout) -> Callable[[], Mapping[str, LiveCell]]:
    """Asks the record of `asd run` what each listed cell is at."""

    def ask() -> Mapping[str, LiveCell]:
        from asd.audit.web.settings import LiveCell
        from asd.operations.run_record import cell_mark, read_marks
        from asd.params import load_workspace
        from asd.run_lock import holder

        marks = read_marks(layout)
        if not marks:
            return {}
        try:
            cells = load_workspace(layout.root).cells()
        except ParamsError:
            return {}
        works = holder(layout) is not None
        found = {}
        for cell in cells:
            mark = cell_mark(marks, cell)
            if mark is not None:
                state = "stale" if mark[1].state == "running" and not works else mark[1].state
                found[str(cell)] = LiveCell(state, mark[0].partition("@")[0], mark[1].text)
        return found

    return ask


def token(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Who it is for; reviews carry this name.")
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the token of NAME back.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say who has a token.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a reviewer's token and print it, once: only a salted hash is stored (.asd/audit-tokens.json).

    It is for signing in on the page of `asd audit serve`. Who has it writes in NAME's name, so
    give it to nobody else. Lost: --revoke it and make a new one.
    """
    from asd.audit import tokens

    layout = Layout(find_workspace(workspace))
    if listed:
        if name is not None or revoke:
            raise ParamsError("--list stands alone")
        _list(layout, as_json=as_json)
        return
    if name is None:
        raise ParamsError("whose token? `asd audit token NAME`, or --list")
    if revoke:
        tokens.revoke(layout, name)
        message = {"name": name, "revoked": True}
        text = f"the token of {name} is worth nothing now"
    else:
        made = tokens.new_token(layout, name)
        message = {"name": name, "token": made}
        text = f"{made}\ntoken of {name}; it is not shown again. Sign in with it: asd audit serve"
    if as_json:
        print_json(message)
    else:
        typer.echo(text)


def _list(layout: Layout, *, as_json: bool) -> None:
    from asd.audit.tokens import read_reviewers

    found = read_reviewers(layout.audit_tokens)
    if as_json:
        print_json([{"name": one.name, "made": one.made} for one in found])
        return
    for one in found:
        typer.echo(f"{one.made}  {one.name}")
    if not found:
        typer.echo("nobody has a token; next: asd audit token NAME")
