"""Contents seen before."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from asd.errors import DataError
from asd.intake.index import Content, ContentIndex


def digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def content(word: str, near: int = 0, drop: int = 1, trained: str | None = None) -> Content:
    return Content(digest(word), digest(trained or word + "t"), near, drop, "cat", f"{word}.png")


def test_exact_ones_by_either_hash_the_test_set_first(tmp_path: Path) -> None:
    with ContentIndex(tmp_path / "a" / "index.sqlite") as index:
        index.add([content("a"), content("b", trained="same"), content("c", drop=0, trained="same")])
        wanted = [(digest("a"), digest("?")), (digest("?"), digest("same")), (digest("?"), digest("!"))]
        found = index.exact(wanted)
    assert [one and one.path for one in found] == ["a.png", "c.png", None]
    assert found[0] == content("a")


def test_near_ones_up_to_three_bits_in_any_place() -> None:
    base = 0xF0F0_1234_5678_9ABC
    with ContentIndex(None) as index:
        index.add([content("base", base), content("other", 0x0123_4567_89AB_CDEF)])
        three_bands = base ^ (1 << 3 | 1 << 20 | 1 << 40)
        four_bits = base ^ 0b1111
        one_bit_high = base ^ (1 << 63)
        found = index.near([base, three_bands, four_bits, one_bit_high], 3)
        closer = index.near([three_bands], 2)
    assert [one and one.path for one in found] == ["base.png", "base.png", None, "base.png"]
    assert closer == [None]


def test_the_nearest_is_found_and_of_two_the_first() -> None:
    with ContentIndex(None) as index:
        index.add([content("two", 0b11), content("one", 0b1), content("again", 0b1)])
        assert [one.path for one in index.near([0, 0b11], 3)] == ["one.png", "two.png"]


def test_a_full_band_stays_quick_and_loses_only_later_ones() -> None:
    with ContentIndex(None) as index:
        # the same lowest 16 bits, each other band different: only that band is shared
        flood = [n * 0x0001_0001_0001_0000 for n in range(1, 2000)]
        index.add([content(str(n), value) for n, value in enumerate(flood)])
        assert index.near([flood[5]], 0)[0].path == "5.png"
        assert index.near([flood[1500]], 0)[0].path == "1500.png"  # by its other bands


def test_adding_is_all_or_nothing(tmp_path: Path) -> None:
    def broken():
        yield content("a")
        raise RuntimeError

    with ContentIndex(tmp_path / "index.sqlite") as index:
        with pytest.raises(RuntimeError):
            index.add(broken())
        assert len(index) == 0
        index.add([content("b", drop=3)])
    with ContentIndex(tmp_path / "index.sqlite") as again:
        assert (len(again), again.drops()) == (1, {3})


def test_a_file_that_is_no_index_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match="delete it"):
        ContentIndex(path)


def test_hashes_of_all_sizes_come_back(tmp_path: Path) -> None:
    values = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    with ContentIndex(tmp_path / "index.sqlite") as index:
        index.add([content(str(value), value) for value in values])
        found = [one.perceptual_hash for one in index.near(values, 0)]
    assert found == values
    assert sqlite3.sqlite_version_info > (3, 30)
