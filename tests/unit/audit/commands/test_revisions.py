"""RUN: a cell as it was, from the journal, DVC's cache and git."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pyarrow.parquet as pq
import pytest

from asd.audit.journal import note_states, read_journal, recorded
from asd.audit.revisions import find_run, split_run
from asd.errors import DataError, ParamsError
from asd.layout import Cell

ASD, NONE = (Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))
NAME = str(ASD)


@pytest.fixture
def twice(kit: Any) -> Any:
    """First results in which k4 is a suspect, then results in which it is none."""
    kit.record("2026-01-10T12:00:00")
    note_states(kit.layout)
    kit.audit(gain=8.0, acc=0.8)
    kit.record("2026-01-12T12:00:00")
    note_states(kit.layout)
    return kit


def verdict(kit: Any, run: str, row: int = 4) -> str:
    return str(pq.read_table(find_run(kit.layout, run).samples)["verdict"][row].as_py())


def test_the_journal_has_a_line_for_each_state_and_no_more(twice: Any) -> None:
    note_states(twice.layout)
    found = [(state.cell, state.at) for state in read_journal(twice.layout)]
    assert sorted(found, key=str) == [
        (ASD, "2026-01-10T12:00:00Z"), (ASD, "2026-01-12T12:00:00Z"), (NONE, "2026-01-10T12:00:00Z")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("revision", "wanted"),
    [
        ("", "unused"),
        ("@current", "unused"),
        ("@previous", "suspect"),
        ("@2026-01-10", "suspect"),
        ("@2026-01-11", "suspect"),
        ("@2026-01-12T11:59", "suspect"),
        ("@2026-01-12T12:00", "unused"),
        ("@2026-01-12T12:00:00Z", "unused"),
        ("@2027-01-01", "unused"),
    ],
)
def test_a_run_is_found_by_its_revision(twice: Any, revision: str, wanted: str) -> None:
    assert verdict(twice, NAME + revision) == wanted
    assert find_run(twice.layout, NAME + revision).name == (
        NAME if revision == "@current" else NAME + revision
    )


def test_an_earlier_run_has_all_its_files(twice: Any) -> None:
    run = find_run(twice.layout, f"{NAME}@previous")
    assert json.loads(run.metrics.read_text())["acc"] == 0.9
    assert json.loads(run.pools.read_text())["verdicts"]["suspect"] == 1
    assert [pq.read_metadata(file).num_row_groups for file in run.histories] == [2, 1, 2]
    assert not run.neighbours.exists()


def test_the_cell_may_be_a_glob_that_means_one(twice: Any) -> None:
    assert verdict(twice, "digits/*/asd@previous") == "suspect"
    with pytest.raises(ParamsError, match=r"means 2 cells; name one of them: digits/badnets/asd/0, digits"):
        find_run(twice.layout, "digits")
    with pytest.raises(ParamsError, match=r"the audit knows no cell 'digits/badnets/asd/7'; did you mean"):
        find_run(twice.layout, "digits/badnets/asd/7")


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        (
            "@2026-01-09",
            r"no results recorded at or before 2026-01-09; on record: 2026-01-10T12:00:00Z, 2026-01-12",
        ),
        (
            "@privious",
            r"'privious' is no revision of .*did you mean 'previous'.*on record: 2026-01-10T12:00:00Z",
        ),
        ("@2026-13-40", "is no date"),
        ("@--help", "is no revision"),
        ("@HEAD\n", "is no revision"),
        ("@", "is no RUN"),
    ],
)
def test_an_unknown_revision_lists_what_there_is(twice: Any, revision: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said) as caught:
        find_run(twice.layout, NAME + revision)
    assert "\n" not in str(caught.value)


def test_without_earlier_results_previous_says_so(kit: Any) -> None:
    with pytest.raises(ParamsError, match="no earlier results on record; nothing of it is on record yet"):
        find_run(kit.layout, f"{NAME}@previous")


def test_results_that_clean_removed_are_told(twice: Any) -> None:
    for folder in twice.cache.iterdir():
        shutil.rmtree(folder)
    with pytest.raises(
        DataError, match=r"recorded 2026-01-10T12:00:00Z are no longer in DVC's cache .*`asd clean --all`"
    ):
        find_run(twice.layout, f"{NAME}@previous")
    assert verdict(twice, NAME) == "unused"


def test_the_cache_is_where_dvc_says(twice: Any, tmp_path: Any) -> None:
    shutil.move(twice.root / ".dvc" / "cache", tmp_path / "elsewhere")
    with (twice.root / ".dvc" / "config").open("a") as stream:
        stream.write(f"[cache]\n    dir = {tmp_path / 'elsewhere'}\n")
    assert verdict(twice, f"{NAME}@previous") == "suspect"


def test_going_back_is_a_state_of_its_own(twice: Any) -> None:
    twice.audit()
    twice.record("2026-01-11T12:00:00")  # an old lock file that was copied back
    note_states(twice.layout)
    assert [state.at for state in recorded(twice.layout, ASD)] == [
        "2026-01-10T12:00:00Z", "2026-01-12T12:00:00Z", "2026-01-12T12:00:00Z"
    ]  # fmt: skip
    assert verdict(twice, f"{NAME}@previous") == "unused"


def test_git_revisions(twice: Any) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        done = subprocess.run(
            ["git", *who, *words], cwd=twice.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    twice.audit()
    twice.record("2026-01-13T12:00:00")
    git("init", "-q")
    git("add", "dvc.lock")
    git("commit", "-qm", "one", "--date", "2026-01-13T12:00:00Z")
    git("tag", "one")
    twice.audit(gain=8.0)
    twice.record("2026-01-14T12:00:00")
    twice.layout.revision_journal.unlink()  # another machine: git alone knows
    assert verdict(twice, f"{NAME}@one") == "suspect"
    assert verdict(twice, f"{NAME}@{git('rev-parse', 'HEAD')[:9]}") == "suspect"
    assert verdict(twice, f"{NAME}@previous") == "suspect"
    git("rm", "-q", "--cached", "dvc.lock")
    git("commit", "-qm", "two")
    with pytest.raises(
        ParamsError, match=r"dvc.lock of git revision HEAD \(.*\) has no audited digits/badnets/asd/0"
    ):
        find_run(twice.layout, f"{NAME}@HEAD")


def test_a_damaged_journal_is_one_line(twice: Any, capsys: Any) -> None:
    with twice.layout.revision_journal.open("a") as stream:
        stream.write("{}\n")
    assert "revisions.jsonl line 4 is damaged; delete the file" in twice.refused(
        capsys, 3, "audit", "summary"
    )


def test_a_damaged_dvc_lock_is_one_line(kit: Any, capsys: Any) -> None:
    kit.layout.pipeline_lock.write_text("stages: [1, 2")
    assert "dvc.lock is not a DVC lock file" in kit.refused(capsys, 3, "audit", "summary")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("a", ("a", "current")), ("a@b", ("a", "b")), ("a/b@2026-01-01T10:00", ("a/b", "2026-01-01T10:00"))],
)
def test_split(text: str, wanted: tuple[str, str]) -> None:
    assert split_run(text) == wanted


def test_a_run_notes_what_it_left_even_if_it_failed(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(root: Any, arguments: list[str]) -> int:
        kit.record("2026-01-10T12:00:00")
        return 3

    monkeypatch.setattr("asd.cli.run._start", run)
    assert kit.asd("run") == 3
    assert {state.cell for state in read_journal(kit.layout)} == {ASD, NONE}


def test_a_damaged_journal_does_not_fail_a_run(
    kit: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asd.cli.run._start", lambda root, arguments: 3)
    kit.record("2026-01-10T12:00:00")
    kit.layout.revision_journal.write_text("nothing\n")
    assert kit.asd("run") == 3
    assert "revisions.jsonl line 1 is damaged" in capsys.readouterr().err


def test_many_processes_note_a_state_once(kit: Any) -> None:
    kit.record("2026-01-10T12:00:00")
    code = (
        "import sys; from pathlib import Path; from asd.layout import Layout; "
        "from asd.audit.journal import note_states; note_states(Layout(Path(sys.argv[1])))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(kit.root)]) for _ in range(4)]
    assert [one.wait(timeout=60) for one in started] == [0] * 4
    assert len(read_journal(kit.layout)) == 2
