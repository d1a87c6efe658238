"""How the audit page is served: under which names, to whom, and what it may ask the layers above."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from asd.errors import ParamsError
from asd.layout import Layout

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class LiveCell:
    """What a cell is at now: `running`, `failed` or `stale`, its stage and last line of progress."""

    state: str
    stage: str
    text: str


def nothing_runs() -> Mapping[str, LiveCell]:
    """For a server that nobody tells what runs."""
    return {}


@dataclass(frozen=True)
class Settings:
    """Settings of one server.

    Attributes:
        layout: of the workspace.
        hosts: names that it goes by, small letters, without port.
        open_to_read: pages may be read without a session; loopback only.
        port: that it listens on.
        secure: its cookies travel over https only.
        live: cell (text) -> what it is at; cells of which nothing is known are left out.
    """

    layout: Layout
    hosts: frozenset[str] = frozenset(_LOOPBACK_NAMES)
    open_to_read: bool = True
    port: int = 8765
    secure: bool = False
    live: Callable[[], Mapping[str, LiveCell]] = field(default=nothing_runs)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie. Browsers keep cookies by name and not by port."""
        return f"{'__Host-' if self.secure else ''}asd-audit-{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_for(host: str, more: Iterable[str]) -> frozenset[str]:
    """The names that a server on `host` goes by.

    Args:
        host: that it listens on.
        more: further names that people type.

    Raises:
        ParamsError: it listens on all addresses, and nobody said what people type.
    """
    given = {name.lower().strip("[]") for name in more}
    if is_loopback(host):
        return frozenset({*_LOOPBACK_NAMES, host.lower(), *given})
    if host in ("", "0.0.0.0", "::", "*"):  # noqa: S104
        if not given:
            raise ParamsError(
                f"--host {host} listens on every address: say by which name people ask for it, such as "
                f"--name {socket.gethostname()}"
            )
        return frozenset(given)
    return frozenset({host.lower().strip("[]"), *given})
