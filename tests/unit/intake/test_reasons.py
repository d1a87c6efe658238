"""Reasons are written for people: docs/security.md repeats them word by word."""

from pathlib import Path

from asd.intake.reasons import FLAGS, REASONS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "security.md").read_text()


def test_the_document_has_every_reason_in_the_same_words() -> None:
    table = DOCUMENT.partition("<!-- reasons -->")[2].partition("<!-- /reasons -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{one.code}` | {one.meaning} | {one.cure} |" for one in REASONS.values()]


def test_the_document_has_every_flag() -> None:
    assert all(f"`{flag}`: {meaning}" in DOCUMENT for flag, meaning in FLAGS.items())


def test_a_reason_is_one_line_without_a_full_stop() -> None:
    for one in REASONS.values():
        assert one.meaning.count("\n") == one.cure.count("\n") == 0
        assert not one.meaning.endswith(".")
        assert not one.cure.endswith(".")
