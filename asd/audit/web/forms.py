"""Form bodies and addresses to go back to. Parsed here: URL-encoded text needs no library."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from asd.errors import ParamsError

_MOST_FIELDS = 20


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded form.

    Raises:
        ParamsError: another kind of body, not UTF-8, too many fields, or one that comes twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ParamsError("wanted a form")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise ParamsError("the form cannot be read") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ParamsError("a field of the form comes twice")
    return fields


def local_path(given: str | None) -> str:
    """Where to go after a write: a path of this server, `/` for anything else."""
    if not given or not given.startswith("/") or given.startswith(("//", "/\\")) or len(given) > 4000:
        return "/"
    if any(ord(c) < 33 or c == "\\" for c in given) or urlsplit(given).netloc:
        return "/"
    return given
