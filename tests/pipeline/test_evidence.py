"""Evidence of a real cell: written, signed, and checked by somebody who has only the zip and a key."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd.audit.evidence.make import sign_evidence, write_evidence
from asd.audit.evidence.ssh import read_signers
from asd.audit.evidence.verify import verify_evidence
from asd.errors import DataError, ParamsError
from asd.layout import Cell
from asd.params import load_workspace
from asd.params_file import set_params
from asd.store import file_sha256

CELL = Cell("digits", "badnets", "asd", 0)
Make = Callable[..., Path]


@pytest.fixture
def make_key(tmp_path: Path) -> Make:
    def make(name: str) -> Path:
        file = tmp_path / f"key-{name}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file], check=True)
        return file

    return make


@pytest.fixture
def work(audited: Any, tmp_path: Path) -> Any:
    """A copy to change."""
    return audited.copy(tmp_path / "w")


def write(pipeline: Any, file: Path) -> Path:
    return write_evidence(load_workspace(pipeline.root), CELL, file).file


def sign(pipeline: Any, by: str, decision: str = "approve", key: Path | None = None) -> None:
    sign_evidence(load_workspace(pipeline.root), CELL, by=by, decision=decision, note="why", key=key)


def test_the_zip_holds_what_a_reviewer_needs(audited: Any, tmp_path: Path) -> None:
    file = write(audited, tmp_path / "evidence.zip")
    with zipfile.ZipFile(file) as opened:  # another reader than ours
        assert opened.testzip() is None
        found = {name: opened.read(name) for name in opened.namelist()}
    run, data = "data/runs/digits/badnets/asd/0", "data/{}/digits/{}".format
    wanted = {"params.yaml", "dvc.yaml", "dvc.lock", "asd.lock", "gates.json", "index.html", "statement.json"}
    wanted |= {"seeds/trusted.csv", "reviews/exclusions.csv", "reviews/log.jsonl", "sources/digits.json"}
    wanted |= {
        f"{run}/{name}" for name in ("audit/samples.parquet", "audit/pools.json", "evaluation/metrics.json")
    }
    wanted |= {f"{data('seeds', 'badnets/0')}/{name}" for name in ("ranked.parquet", "seed_set.json")}
    for part in (
        data("fetched", "train"),
        data("poisoned", "badnets/train"),
        data("poisoned", "badnets/probe"),
    ):
        wanted |= {f"{part}/manifest.json", f"{part}/index.parquet"}
    assert wanted <= set(found)
    assert found["index.html"] == audited.layout.audit_report(CELL).read_bytes()
    assert found["params.yaml"] == audited.layout.params.read_bytes()
    assert not [name for name in found if name.endswith((".tar", ".safetensors"))]
    assert list(found) == sorted(found)


def test_the_statement_names_every_file_the_model_and_each_shard(audited: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(write(audited, tmp_path / "evidence.zip")) as opened:
        statement = json.loads(opened.read("statement.json"))
        names = set(opened.namelist()) - {"statement.json"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert names <= set(subjects)
    model = "data/runs/digits/badnets/asd/0/stage3/model.safetensors"
    shards = [path for path in audited.root.glob("data/*/digits/**/*.tar") if "seeds" not in path.parts]
    outside = {model, *(path.relative_to(audited.root).as_posix() for path in shards)}
    assert len(shards) == 5
    for name in outside:
        assert subjects[name] == file_sha256(audited.root / name)
    predicate = statement["predicate"]
    assert predicate["cell"] == "digits/badnets/asd/0"
    assert sum(predicate["verdicts"].values()) == predicate["samples"] == 200
    assert predicate["review_log"]["lines"] == 3
    assert predicate["model"] == {"name": model, "sha256": subjects[model]}
    assert predicate["environment"]["stage3"]["device"] == "cpu"
    assert [text.partition(":")[0] for text in predicate["gates"]] == ["gates.least_acc holds"]
    assert predicate["made"]["asd"] == "0.1.0"


def test_the_same_state_gives_the_same_bytes(audited: Any, work: Any, tmp_path: Path) -> None:
    first = write(audited, tmp_path / "a.zip").read_bytes()
    for path in work.root.rglob("*"):
        path.touch()
    assert write(work, tmp_path / "b.zip").read_bytes() == first


def test_signed_before_it_is_written_and_checked_elsewhere(work: Any, tmp_path: Path, make_key: Make) -> None:
    key = make_key("Ada")
    sign(work, "Ada", key=key)
    file = write(work, tmp_path / "evidence.zip")
    shutil.rmtree(work.root)  # the zip and the public key are all there is
    public = tmp_path / "key-Ada.pub"
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f'# ours\n"Ada" namespaces="asd-audit" {public.read_text()}')
    for signers in (public, allowed):
        found = verify_evidence(file, read_signers([signers]))
        assert (found.problems, found.open) == ([], [])
        assert [one.standing for one in found.decisions] == ["good"]
    alone = (
        "import sys; from asd.cli import main; code = main(sys.argv[1:]); print(code, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", alone, "audit", "verify", str(file), "--signers", str(public)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    assert "whole and approved" in done.stdout


def test_two_reviewers_both_count(work: Any, tmp_path: Path, make_key: Make) -> None:
    keys = {name: make_key(name) for name in ("Ada", "Ben")}
    allowed = tmp_path / "allowed_signers"
    allowed.write_text("".join(f"{n} {k.with_suffix('.pub').read_text()}" for n, k in keys.items()))
    sign(work, "Ada", key=keys["Ada"])
    sign(work, "Ben", "reject", keys["Ben"])
    signers = read_signers([allowed])
    found = verify_evidence(write(work, tmp_path / "1.zip"), signers)
    assert [one.standing for one in found.decisions] == ["good", "good"]
    assert found.problems == []
    assert len(found.open) == 1
    assert found.open[0].startswith("REJECTED: decision 2 (reject by Ben")
    sign(work, "Ben", "approve", keys["Ben"])  # thought again: his last word counts
    found = verify_evidence(write(work, tmp_path / "2.zip"), signers)
    assert (found.problems, found.open, len(found.decisions)) == ([], [], 3)


def test_nobody_takes_back_what_another_rejected(work: Any, tmp_path: Path, make_key: Make) -> None:
    ada, ben = make_key("Ada"), make_key("Ben")
    sign(work, "Ben", "reject", ben)
    sign(work, "Ben", "approve", ada)  # Ada's key, Ben's name
    file = write(work, tmp_path / "evidence.zip")
    found = verify_evidence(file, read_signers([ada.with_suffix(".pub"), ben.with_suffix(".pub")]))
    assert [text.partition(" (")[0] for text in found.open] == ["REJECTED: decision 1"]
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(f"Ada {ada.with_suffix('.pub').read_text()}Ben {ben.with_suffix('.pub').read_text()}")
    [problem] = verify_evidence(file, read_signers([allowed])).problems
    assert problem.startswith("decision 2 (approve by Ben")
    assert problem.endswith("which --signers does not hold for 'Ben'")


def test_a_decision_on_an_older_state_is_stale(work: Any, tmp_path: Path, make_key: Make) -> None:
    key = make_key("Ada")
    signers = read_signers([key.with_suffix(".pub")])
    sign(work, "Ada", "reject", key)
    set_params(work.root, ["gates.least_acc=0.01"])
    found = verify_evidence(write(work, tmp_path / "1.zip"), signers)
    assert [one.standing for one in found.decisions] == ["stale"]
    assert found.problems[0].startswith("other evidence than was signed: decision 1 (reject by Ada")
    assert any(text.startswith("params.yaml was ") for text in found.decisions[0].differences)
    sign(work, "Ada", "approve", key)
    found = verify_evidence(write(work, tmp_path / "2.zip"), signers)
    assert [one.standing for one in found.decisions] == ["stale", "good"]
    assert (found.problems, found.open) == ([], [])


def test_unsigned_and_unknown_do_not_count(work: Any, tmp_path: Path, make_key: Make) -> None:
    file = write(work, tmp_path / "0.zip")
    assert verify_evidence(file).open == ["UNSIGNED: nobody has decided on this evidence"]
    sign(work, "Ada")
    file = write(work, tmp_path / "1.zip")
    found = verify_evidence(file)
    assert found.problems == []
    assert [text.partition(" (")[0] for text in found.open] == ["UNSIGNED: decision 1"]
    assert verify_evidence(file, allow_unsigned=True).open == []
    sign(work, "Ada", key=make_key("Ada"))
    found = verify_evidence(write(work, tmp_path / "2.zip"))  # nobody says whose key it is
    assert found.problems == []
    assert any("give --signers FILE" in text for text in found.open)


def test_the_workspace_is_compared_pixel_for_pixel(work: Any, tmp_path: Path, make_key: Make) -> None:
    key, public = make_key("Ada"), tmp_path / "key-Ada.pub"
    sign(work, "Ada", key=key)
    file = write(work, tmp_path / "evidence.zip")

    def problems() -> str:
        words = ("asd", "audit", "verify", str(file), "--signers", str(public), "--workspace", ".")
        done = work.command(*words)
        return f"{done.returncode} {done.stdout}"

    assert problems().startswith("0 ")
    model = work.layout.stage(CELL, 3) / "model.safetensors"
    before = model.read_bytes()
    shutil.copy(work.layout.stage(CELL, 1) / "model.safetensors", model)
    assert problems().startswith("3 CHANGED data/runs/digits/badnets/asd/0/stage3/model.safetensors: the evi")
    model.write_bytes(before)
    shard = work.layout.fetched("digits", "train") / "shard-000000.tar"
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    assert "fetched/digits/train/shard-000000.tar: its SHA-256 differs from the manifest" in problems()


def test_a_decision_left_out_shows_against_the_workspace(work: Any, tmp_path: Path, make_key: Make) -> None:
    ada, ben = make_key("Ada"), make_key("Ben")
    sign(work, "Ada", key=ada)
    file = write(work, tmp_path / "evidence.zip")
    sign(work, "Ben", "reject", ben)
    public = str(ada.with_suffix(".pub"))
    done = work.command("asd", "audit", "verify", str(file), "--signers", public, "--workspace", ".")
    assert done.returncode == 3
    assert "decision 2 (reject by Ben" in done.stdout
    assert "stands in the workspace and is missing in the evidence" in done.stdout


@pytest.mark.slow
def test_the_commands_one_after_the_other(work: Any, tmp_path: Path, make_key: Make) -> None:
    key, cell, file = make_key("Ada"), str(CELL), str(tmp_path / "evidence.zip")
    done = work.command("asd", "audit", "evidence", cell, file)
    assert done.returncode == 0, done.stdout
    assert "UNSIGNED: nobody has signed this state" in done.stdout
    words = ("--by", "Ada", "--decision", "approve", "--note", "looked at all")
    done = work.command("asd", "audit", "sign", cell, *words)
    assert done.returncode == 0
    assert "UNSIGNED: no --key was given" in done.stdout
    done = work.command("asd", "audit", "sign", cell, *words, "--key", str(key), "--json")
    facts = json.loads(done.stdout)
    assert (facts["signed"], facts["current"], facts["decision"], facts["number"]) == (
        True,
        True,
        "approve",
        2,
    )
    work.command("asd", "audit", "evidence", cell, file)
    done = work.command("asd", "audit", "verify", file, "--signers", f"{key}.pub")
    assert done.returncode == 0, done.stdout
    assert "decision 1 (approve by Ada" in done.stdout
    assert ": looked at all: UNSIGNED\n" in done.stdout
    done = work.command("asd", "audit", "verify", file)
    assert (done.returncode, "give --signers FILE" in done.stdout) == (4, True)
    done = work.command("asd", "audit", "verify", file, "--signers", f"{key}.pub", "--json")
    assert (done.returncode, json.loads(done.stdout)["approved"]) == (0, True)


def test_what_is_stale_or_unfinished_is_refused_with_the_command_to_type(work: Any, tmp_path: Path) -> None:
    file = tmp_path / "evidence.zip"
    set_params(work.root, ["defenses.asd.stage3.meta.min_steps=1"])
    for words in (
        ("evidence", str(CELL), str(file)),
        ("sign", str(CELL), *["--by", "A", "--decision", "reject", "--note", "n"]),
    ):
        done = work.command("asd", "audit", *words)
        assert done.returncode == 2
        assert done.stdout.startswith(f"asd: {CELL} is stale: stage3: ")
        assert done.stdout.endswith(f"`asd run '{CELL}'`\n")
        assert len(done.stdout.splitlines()) == 1
    work.layout.audit_pools(CELL).unlink()
    done = work.command("asd", "audit", "evidence", str(CELL), str(file))
    assert done.returncode == 2
    assert "is not audited (data/runs/digits/badnets/asd/0/audit/pools.json is missing)" in done.stdout
    assert not file.exists()
    assert not work.layout.decisions(CELL).exists()


def test_nothing_is_written_where_something_is_wrong(work: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(b"my holiday pictures")
    with pytest.raises(ParamsError, match="exists and is no evidence of asd"):
        write(work, mine)
    assert mine.read_bytes() == b"my holiday pictures"
    pools = work.layout.audit_pools(CELL)
    pools.write_text(pools.read_text().replace('"samples": 200', '"samples": 199'))
    with pytest.raises(
        DataError, match=r"do not agree: audit/pools.json: samples 199, samples.parquet has 200"
    ):
        write(work, tmp_path / "evidence.zip")
    with pytest.raises(DataError, match="do not agree"):
        sign(work, "Ada")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.zip", "w"]
    assert not work.layout.decisions(CELL).exists()


@pytest.mark.parametrize(
    ("by", "note"), [("", "n"), ("A\nB", "n"), ("Ada", ""), ("Ada", "a\x1b[1m"), ("=A", "n")]
)
def test_names_and_notes_are_one_plain_line(work: Any, by: str, note: str) -> None:
    with pytest.raises(ParamsError):
        sign_evidence(load_workspace(work.root), CELL, by=by, decision="approve", note=note, key=None)
    assert not work.layout.decisions(CELL).exists()
