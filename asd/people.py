"""What people say of themselves beside a decision: their name and a note, fit for a log and for a CSV."""

from __future__ import annotations

from asd.errors import ParamsError

_MOST_LETTERS = 80
LONGEST_NOTE = 500


def checked_name(name: str) -> str:
    """A person's name, fit for one cell of a CSV.

    Raises:
        ParamsError: empty, too long, more than a line, or what a spreadsheet takes for a formula.
    """
    name = name.strip()
    if not name or len(name) > _MOST_LETTERS or not name.isprintable() or name[0] in "=+-@":
        raise ParamsError(f"--by {name!r}: wanted your name, one line of 1 to {_MOST_LETTERS} letters")
    return name


def checked_note(note: str) -> str:
    """What a person wrote beside a decision, fit for one cell of a CSV; may be empty.

    Raises:
        ParamsError: too long, more than a line, or what a spreadsheet takes for a formula.
    """
    note = note.strip()
    if len(note) > LONGEST_NOTE or not note.isprintable() or note[:1] in ("=", "+", "-", "@"):
        raise ParamsError(
            f"--note {note[:40]!r}: wanted one line of at most {LONGEST_NOTE} letters without control "
            "characters, and no = + - @ in front"
        )
    return note
