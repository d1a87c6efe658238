"""What the gate makes of drops by somebody who means harm, as docs/security.md has it."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from asd.intake.reasons import FLAGS, REASONS
from tests.unit.intake.evils import files, tables, tars, whole, zips
from tests.unit.intake.evils.kit import Corpus

DOCUMENT = Path(__file__).parents[3] / "docs" / "security.md"
JUDGING = Path(__file__).with_name("judging.py")
MOST_MIB = 512
SLOW = {"100000-tiny-members"}
REFUSED = "drop refused"


def documented() -> dict[str, str]:
    """Evil -> what becomes of it, from the table between the two marks."""
    text = DOCUMENT.read_text().partition("<!-- evils -->")[2].partition("<!-- /evils -->")[0]
    found: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`([^`]+)`", cells[-1]) if len(cells) == 2 else []
        for name in names:
            assert name not in found, name
            found[name] = cells[0].replace("`", "")
    return found


@dataclass
class Outcome:
    """What became of all drops: evils, everything else that was judged, and what was left behind."""

    evils: dict[str, str]
    others: Counter[str]
    expected_good: int
    peak_mib: int
    executed: bool
    before: dict[str, str]
    after: dict[str, str]


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder: kind and content."""
    found = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root) / name
            shown = str(path).encode("utf-8", "surrogateescape").hex()
            found[shown] = f"{path.lstat().st_mode:o} {path.lstat().st_size}"
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20:
                found[shown] += hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def judge(corpora: list[Corpus], root: Path) -> Outcome:
    """Judge drops in one process, watched from outside."""
    canary, here, answers = root / "canary", root / "here", root.parent / f"{root.name}-answers.json"
    here.mkdir()
    wanted = [
        {"path": str(one.drop), "seconds": one.seconds, "workers": 2 if one.good else 1} for one in corpora
    ]
    listed = root / "list.json"
    listed.write_text(json.dumps(wanted))
    before = snapshot(root)
    with answers.open("wb") as stream:
        process = subprocess.Popen([sys.executable, str(JUDGING), str(listed)], stdout=stream, cwd=here)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.02)
    assert process.returncode == 0
    after = snapshot(root)
    evils: dict[str, str] = {}
    others: Counter[str] = Counter()
    for corpus, answer in zip(corpora, json.loads(answers.read_text()), strict=True):
        left = dict(corpus.paths)
        for path, became in answer["found"]:
            if path in left:
                evils[left.pop(path)] = became
            else:
                others[became] += 1
        if answer["refused"] is not None:
            assert len(answer["refused"]) < 400
            assert answer["refused"].count("\n") == 0
            evils |= dict.fromkeys(left.values(), REFUSED)
            left = {}
        assert not left, f"nothing was said of {left}"
    good = sum(corpus.good for corpus in corpora)
    return Outcome(evils, others, good, peak // 2**20, canary.exists(), before, after)


def resident(pid: int) -> int:
    """Bytes that the gate and its processes have in memory; what they share counts for each."""
    total = 0
    try:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("hostile")
    canary = root / "canary"
    corpora = [
        files.build(root, canary),
        tars.members(root, canary),
        tars.shards(root, canary),
        zips.members(root, canary),
        tables.tables(root, canary),
        tables.labels(root),
        *whole.build(root, canary),
    ]
    return judge(corpora, root)


@pytest.mark.timeout(600)
def test_each_becomes_what_the_document_says(outcome: Outcome) -> None:
    assert outcome.evils == {name: what for name, what in documented().items() if name not in SLOW}


def test_there_are_many_and_their_words_are_known(outcome: Outcome) -> None:
    assert len(outcome.evils) >= 60
    for became in documented().values():
        kind, _, word = became.partition(": ")
        known = {"accepted": FLAGS, "quarantined": REASONS, REFUSED: {"": ""}}[kind]
        assert all(one in known for one in word.split(", ") if one)


def test_what_is_good_beside_them_passes(outcome: Outcome) -> None:
    assert outcome.others["accepted"] >= outcome.expected_good
    # a second member of a name that came before, in the tar and in the zip
    assert outcome.others["quarantined: duplicate-name"] == 2


def test_nothing_is_executed_and_nothing_written(outcome: Outcome) -> None:
    assert not outcome.executed
    assert outcome.after == outcome.before


def test_the_gate_and_its_processes_stay_small(outcome: Outcome) -> None:
    assert 60 < outcome.peak_mib <= MOST_MIB


@pytest.mark.slow
def test_a_hundred_thousand_tiny_members(tmp_path: Path) -> None:
    corpus = Corpus(tars.tiny_members(tmp_path / "tiny.tar", 100_000))
    corpus.evil("100000-tiny-members", "cat/99999.png")
    found = judge([corpus], tmp_path)
    assert found.evils == {name: documented()[name] for name in SLOW}
    assert found.others == {"quarantined: not-a-picture": 99_999}
    assert found.peak_mib <= 256


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_pictures_as_large_as_allowed(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "large", seconds=60.0)
    (corpus.drop / "cat").mkdir(parents=True)
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (3990, 3990, 3), dtype=np.uint8)
        Image.fromarray(noise).save(corpus.drop / "cat" / f"{number}.jpg", quality=15)
    corpus.good = 4
    found = judge([corpus], tmp_path)
    assert found.others == {"accepted": 4}
    assert found.peak_mib <= MOST_MIB
