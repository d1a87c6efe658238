"""What came before decides: refused, flagged or new."""

import hashlib

from asd.intake.duplicates import Candidate, Duplicates, Passed
from asd.intake.index import TEST_SET, Content, ContentIndex
from asd.intake.pool import Copy

UNKNOWN = ("unknown-label", "no such class")


def digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def candidate(path: str, word: str, near: int, label: str = "cat", wrong: bool = False) -> Candidate:
    copy = Copy(b"", 1, 1, near, digest(word), digest(word + "t"), ())
    return Candidate(path, label, UNKNOWN if wrong else None, copy)


def earlier(*rows: tuple[str, int, int, str]) -> ContentIndex:
    index = ContentIndex(None)
    index.add(
        Content(digest(word), digest(word + "t"), near, drop, label, f"{word}.png")
        for word, near, drop, label in rows
    )
    return index


FAR = [0x1111_2222_3333_4444, 0xFFFF_0000_FFFF_0000, 0x0F0F_F0F0_3C3C_C3C3]


def codes(judged: list) -> list:
    return [one.flags if isinstance(one, Passed) else one[0] for one in judged]


def test_within_one_batch_and_over_batches() -> None:
    with earlier() as index, Duplicates(index, 3) as seen:
        first = seen.judge(
            [
                candidate("1", "a", FAR[0]),
                candidate("2", "a", FAR[0]),
                candidate("3", "a", FAR[0], "dog"),
                candidate("4", "b", FAR[0] ^ 1, "dog"),
                candidate("5", "c", FAR[1]),
            ]
        )
        second = seen.judge([candidate("6", "c", FAR[1]), candidate("7", "d", FAR[1] ^ 0b111)])
    assert codes(first) == [(), "duplicate", "label-flip", ("near-duplicate", "label-flip"), ()]
    assert first[3].flagged_with == "1"
    assert codes(second) == ["duplicate", ("near-duplicate",)]
    assert second[1].flagged_with == "5"


def test_earlier_drops_and_the_test_set() -> None:
    index = earlier(("old", FAR[0], 2, "cat"), ("test", FAR[1], TEST_SET, "cat"))
    with index, Duplicates(index, 3) as seen:
        judged = seen.judge(
            [
                candidate("1", "old", FAR[0]),
                candidate("2", "test", FAR[1], "dog"),
                candidate("3", "x", FAR[0] ^ 2),
                candidate("4", "y", FAR[1] ^ 2, "dog"),
            ]
        )
    assert codes(judged) == [
        "duplicate",
        "duplicate-of-test",
        ("near-duplicate",),
        ("near-duplicate-of-test",),
    ]
    assert judged[0][1] == "the same as drop 2: old.png"
    assert judged[3].flagged_with == "the test set: test.png"


def test_a_wrong_label_is_said_before_a_flip_and_behind_a_duplicate() -> None:
    with earlier(("old", FAR[0], 2, "cat")) as index, Duplicates(index, 3) as seen:
        judged = seen.judge(
            [
                candidate("1", "old", FAR[0], "cat", wrong=True),
                candidate("2", "old", FAR[0], "bird", wrong=True),
                candidate("3", "new", FAR[1], "bird", wrong=True),
                candidate("4", "new", FAR[1]),
            ]
        )
    assert codes(judged) == ["duplicate", "unknown-label", "unknown-label", ()]


def test_no_bits_means_only_the_very_same_hash() -> None:
    with earlier() as index, Duplicates(index, 0) as seen:
        judged = seen.judge(
            [candidate("1", "a", FAR[0]), candidate("2", "b", FAR[0] ^ 1), candidate("3", "c", FAR[0])]
        )
    assert codes(judged) == [(), (), ("near-duplicate",)]
