"""What `asd clean` finds and deletes, and what it must never touch."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from asd.errors import BusyError, DataError
from asd.layout import Layout
from asd.operations import cache_cleaning, cache_keep, cleaning

DEAD = 2**22 + 1  # above the largest process id of Linux


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# -- leftovers and checkpoints -----------------------------------------------------------------


def test_only_leftovers_of_dead_writers_are_found(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    dead = put(layout.data / f".train.tmp-{DEAD}" / "a.tar").parent
    put(layout.data / f".test.tmp-{os.getpid()}")
    put(layout.data / "train.tmp-1")
    root = put(tmp_path / f".params.yaml.tmp-{DEAD}")
    assert cleaning.leftovers(layout) == sorted([dead, root])


def test_a_folder_moved_aside_is_kept_while_its_name_is_free(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    aside = put(layout.data / f".train.tmp-{DEAD}-old" / "a.tar").parent
    assert cleaning.leftovers(layout) == []
    put(layout.data / "train" / "a.tar")
    assert cleaning.leftovers(layout) == [aside]


def test_checkpoints_are_told_apart_by_the_mark_of_their_end(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    done, going = "a" * 64, "b" * 64
    for name in (done, going, f"{'c' * 64}.gone"):
        put(layout.scratch / name / "state", "1234")
    put(layout.scratch / "finished" / "digits" / "badnets" / "asd" / "0" / done, "")
    kinds = {one.kind: one for one in [*cleaning.derived(layout), *cleaning.on_demand(layout)]}
    assert (kinds["finished checkpoints"].size, kinds["other checkpoints"].size) == (8, 4)
    cleaning.remove(kinds["finished checkpoints"])
    assert [path.name for path in layout.scratch.iterdir() if path.name != "finished"] == [going]


def test_cleaning_is_refused_while_a_step_runs(tmp_path: Path) -> None:
    import fcntl

    layout = Layout(tmp_path)
    lock = put(layout.step_lock("stage1@digits"), f"{os.getpid()}\n")
    cleaning.refuse_while_busy(layout)
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match=f"step stage1@digits runs .process {os.getpid()}"):
            cleaning.refuse_while_busy(layout)


# -- the cache ---------------------------------------------------------------------------------


class Cache:
    """A DVC cache made by hand: objects, a run cache, `dvc.lock`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".dvc" / "cache"
        put(root / ".dvc" / "config", "[core]\n    no_scm = true\n    analytics = false\n")
        put(root / "dvc.yaml", "stages: {}\n")
        self.runs = 0

    def add(self, text: str, ending: str = "") -> str:
        md5 = hashlib.md5(text.encode()).hexdigest() + ending
        put(self.folder / "files" / "md5" / md5[:2] / md5[2:], text)
        return md5

    def add_folder(self, **files: str) -> str:
        names = {name.replace("__", "."): text for name, text in files.items()}
        entries = [{"md5": self.add(text), "relpath": name} for name, text in sorted(names.items())]
        return self.add(json.dumps(entries), ".dir")

    def run(self, reads: list[str], writes: dict[str, str]) -> None:
        entry = {
            "cmd": "x",
            "deps": [{"path": f"d{n}", "md5": md5} for n, md5 in enumerate(reads)],
            "outs": [{"path": path, "md5": md5} for path, md5 in writes.items()],
        }
        self.runs += 1
        put(self.folder / "runs" / "aa" / "bb" / str(self.runs), yaml.safe_dump(entry))

    def lock(self, **outs: str) -> None:
        stages = {
            f"s{path}": {"cmd": "x", "outs": [{"path": path, "md5": md5}]} for path, md5 in outs.items()
        }
        put(self.root / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))

    def texts(self) -> set[str]:
        return {file.read_text() for file in cache_keep.all_objects(self.folder)}

    def unused(self) -> set[str]:
        found = cache_cleaning.unused_objects(Layout(self.root), self.folder)
        assert found.size == sum(file.stat().st_size for file in found.paths)
        return {file.read_text() for file in found.paths}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def test_what_dvc_lock_names_stays_also_of_stages_that_are_no_more(cache: Cache) -> None:
    cache.lock(old=cache.add("kept"), folder=cache.add_folder(a="inside"))
    cache.add("loose")
    assert cache.unused() == {"loose"}


def three_runs(cache: Cache) -> str:
    """Two versions of a cell from one input, and another cell; gives SHA-256 of the first's weights."""
    data = cache.add("input")
    for number, name in enumerate(("digits/badnets/asd/0", "digits/badnets/asd/0", "digits/none/asd/0")):
        model = cache.add_folder(model__safetensors=f"weights {number}")
        cache.run([data], {f"data/runs/{name}/stage3": model})
        cache.run([model], {f"data/runs/{name}/evaluation/metrics.json": cache.add(f"metrics {number}")})
    return hashlib.sha256(b"weights 0").hexdigest()


def test_the_whole_history_of_a_model_named_by_its_weights_stays(cache: Cache) -> None:
    sha256 = three_runs(cache)
    model = {"cell": "digits/badnets/asd/0", "weights": {"sha256": sha256}}
    put(cache.root / "models" / "current" / "model.json", json.dumps(model))
    unused = cache.unused()
    assert {"weights 1", "metrics 1", "weights 2", "metrics 2"} <= unused
    assert unused & {"input", "weights 0", "metrics 0"} == set()


def test_all_versions_of_a_cell_stay_when_the_weights_are_not_found(cache: Cache) -> None:
    three_runs(cache)
    model = {"cell": "digits/badnets/asd/0", "sha256": "0" * 64}
    put(cache.root / "models" / "kept" / "model.json", json.dumps(model))
    unused = cache.unused()
    assert {"weights 2", "metrics 2"} <= unused
    assert unused & {"input", "weights 0", "metrics 0", "weights 1", "metrics 1"} == set()


def test_a_model_that_cannot_be_read_stops_the_cleaning(cache: Cache) -> None:
    put(cache.root / "models" / "current" / "model.json", "{")
    with pytest.raises(DataError, match=r"model\.json is not valid JSON; mend or delete it"):
        cache.unused()


def test_dvc_gc_deletes_exactly_what_was_announced(cache: Cache) -> None:
    cache.lock(out=cache.add_folder(a="kept"))
    cache.add("loose")
    before, unused = cache.texts(), cache.unused()
    cache_cleaning.collect(Layout(cache.root), cache.folder)
    assert cache.texts() == before - unused
    assert unused == {"loose"}


def test_a_cache_outside_the_workspace_is_not_ours(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "w")
    assert cache_cleaning.is_ours(layout, tmp_path / "w" / ".dvc" / "cache")
    assert not cache_cleaning.is_ours(layout, tmp_path / "shared")


def test_importing_the_cleaner_imports_neither_torch_nor_dvc() -> None:
    code = (
        "import sys, asd.operations.rubbish, asd.operations.status; "
        "sys.exit(bool({'torch', 'dvc'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
