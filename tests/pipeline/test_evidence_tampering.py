"""Every change of a signed evidence is found and named, also where the statement is made anew."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asd.audit.chain import append_line
from asd.audit.evidence import packing
from asd.audit.evidence.make import sign_evidence, write_evidence
from asd.audit.evidence.ssh import read_signers, sign
from asd.audit.evidence.statement import Statement, parse
from asd.audit.evidence.verify import Verified, verify_evidence
from asd.layout import Cell
from asd.params import load_workspace
from asd.store import json_bytes

CELL = Cell("digits", "badnets", "asd", 0)
RUN = "data/runs/digits/badnets/asd/0"
SAMPLES, POOLS = f"{RUN}/audit/samples.parquet", f"{RUN}/audit/pools.json"
DECISIONS = "reviews/decisions/digits/badnets/asd/0.jsonl"
MODEL = f"{RUN}/stage3/model.safetensors"
LOG, EXCLUSIONS, TRUSTED = "reviews/log.jsonl", "reviews/exclusions.csv", "seeds/trusted.csv"


@dataclass
class Signed:
    """An evidence that Ada, then Ben approved, and their keys."""

    file: Path
    folder: Path
    members: dict[str, bytes] = field(default_factory=dict)

    def key(self, name: str) -> Path:
        return self.folder / name

    def check(self, members: dict[str, bytes], tmp_path: Path) -> Verified:
        file = tmp_path / "changed.zip"
        digests = {name: sha256(content).hexdigest() for name, content in members.items()}
        packing.write_zip(file, members, digests)
        return self.look(file)

    def look(self, file: Path) -> Verified:
        return verify_evidence(file, read_signers([self.folder / "allowed_signers"]))


@pytest.fixture(scope="session")
def signed(audited: Any, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("signed")
    work = audited.copy(folder / "w")
    found = Signed(folder / "evidence.zip", folder)
    allowed = ""
    for name in ("Ada", "Ben", "Eve"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", found.key(name)]
        subprocess.run(words, check=True)
        if name != "Eve":
            allowed += f"{name} {found.key(name).with_suffix('.pub').read_text()}"
            workspace = load_workspace(work.root)
            sign_evidence(workspace, CELL, by=name, decision="approve", note="fine", key=found.key(name))
    (folder / "allowed_signers").write_text(allowed)
    write_evidence(load_workspace(work.root), CELL, found.file)
    with zipfile.ZipFile(found.file) as opened:
        found.members = {name: opened.read(name) for name in opened.namelist()}
    return found


def stated(
    members: dict[str, bytes], subjects: dict[str, str] | None = None, **facts: Any
) -> dict[str, bytes]:
    """The same with a statement that says what is in them, as a forger makes it."""
    before = parse(members["statement.json"])
    hashes = {n: sha256(c).hexdigest() for n, c in members.items() if n not in ("statement.json", DECISIONS)}
    made = Statement(CELL, {**before.subjects, **hashes, **(subjects or {})}, {**before.predicate, **facts})
    return {**members, "statement.json": made.to_bytes()}


def without_decisions(members: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in members.items() if name != DECISIONS}


def edit_column(content: bytes, column: str, row: int, value: Any) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    values = table[column].to_pylist()
    values[row] = value
    place = table.column_names.index(column)
    table = table.set_column(place, column, pa.array(values, table.schema.field(column).type))
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def less(content: bytes, line: int) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[line]
    return b"".join(lines)


EDITS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a label": (SAMPLES, lambda c: edit_column(c, "label", 3, 7)),
    "a class name": (SAMPLES, lambda c: edit_column(c, "class_name", 3, "cat")),
    "a verdict": (SAMPLES, lambda c: edit_column(c, "verdict", 3, "suspect")),
    "a key": (SAMPLES, lambda c: edit_column(c, "key", 3, "other")),
    "pools": (POOLS, lambda c: c.replace(b'"samples": 200', b'"samples": 201')),
    "metrics": (f"{RUN}/evaluation/metrics.json", lambda c: c.replace(b'"n_acc": 100', b'"n_acc": 900')),
    "a review in the middle": (LOG, lambda c: less(c, 1)),
    "the last review": (LOG, lambda c: less(c, 2)),
    "a review's words": (LOG, lambda c: c.replace(b'"poisoned"', b'"clean"')),
    "an exclusion": (EXCLUSIONS, lambda c: less(c, 1)),
    "who vouches": (TRUSTED, lambda c: c.replace(b",Ben,", b",Ada,")),
    "seeds' lines": (TRUSTED, lambda c: b"".join(c.splitlines(keepends=True)[:-5])),
    "the seed set": ("data/seeds/digits/badnets/0/ranked.parquet", lambda c: edit_column(c, "rank", 0, 5)),
    "the page": ("index.html", lambda c: c.replace(b"<title>", b"<title>good: ")),
    "params": ("params.yaml", lambda c: c.replace(b"least_acc: 0.0", b"least_acc: 0.1")),
    "gates": ("gates.json", lambda c: c.replace(b"holds:", b"fails:")),
    "code": ("asd.lock", lambda c: c.replace(b"steps:", b"steps :")),
    "a manifest": ("data/fetched/digits/train/manifest.json", lambda c: c.replace(b"true", b"false")),
    "dvc.lock": ("dvc.lock", lambda c: c.replace(b'"schema": "2.0"', b'"schema": "2.1"')),
    "a training record": (f"{RUN}/stage3/state.json", lambda c: c.replace(b'"threads": 1', b'"threads": 9')),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_change_is_named(signed: Signed, tmp_path: Path, what: str) -> None:
    name, edit = EDITS[what]
    members = {**signed.members, name: edit(signed.members[name])}
    assert members[name] != signed.members[name]
    found = signed.check(members, tmp_path)
    assert found.problems[0].startswith(f"{name} was changed: the statement says SHA-256 ")


@pytest.mark.parametrize("what", EDITS)
def test_with_the_statement_made_anew_the_signatures_name_it(
    signed: Signed, tmp_path: Path, what: str
) -> None:
    name, edit = EDITS[what]
    found = signed.check(stated({**signed.members, name: edit(signed.members[name])}), tmp_path)
    assert "other evidence than was signed: decision 2 (approve by Ben" in found.problems[0]
    assert f"{name} was " in found.problems[0]
    assert [one.standing for one in found.decisions] == ["stale", "stale"]


DISAGREE = {
    "a label": "label of ",
    "a class name": "class_name of ",
    "a verdict": "statement.json: verdicts is ",
    "a key": "key of ",
    "pools": "audit/pools.json: samples 201, samples.parquet has 200",
    "metrics": "metrics.json: its MD5 is ",
    "a review in the middle": f"{LOG} line 2: the chain is broken",
    "the last review": "statement.json: review_log is ",
    "an exclusion": f"{EXCLUSIONS} does not name {'2' * 12}, which 'Ada' called poisoned",
    "who vouches": "seeds/trusted.csv: vouched for by ",
    "seeds' lines": "seeds/trusted.csv: seed ",
    "the page": "index.html: its MD5 is ",
    "params": "gates.json: limits ",
    "gates": "statement.json: gates are not those of gates.json",
    "a manifest": "data/poisoned: lies over a training set ",
    "a training record": "statement.json: environment is ",
}


@pytest.mark.parametrize("what", DISAGREE)
def test_unsigned_and_made_anew_the_other_files_tell(signed: Signed, tmp_path: Path, what: str) -> None:
    name, edit = EDITS[what]
    members = without_decisions({**signed.members, name: edit(signed.members[name])})
    found = signed.check(stated(members), tmp_path)
    assert any(DISAGREE[what] in text for text in found.problems), found.problems


def test_another_model(signed: Signed, tmp_path: Path) -> None:
    other = sha256(b"other weights").hexdigest()
    members = stated(signed.members, {MODEL: other}, model={"name": MODEL, "sha256": other})
    assert f"{MODEL} was " in signed.check(members, tmp_path).problems[0]


def test_another_shard_is_not_that_of_the_manifest(signed: Signed, tmp_path: Path) -> None:
    shard = "data/fetched/digits/train/shard-000000.tar"
    members = stated(without_decisions(signed.members), {shard: "0" * 64})
    assert f"{shard}: its manifest says SHA-256" in signed.check(members, tmp_path).problems[0]


REWRITES = {
    "decision": (rb'"decision": "approve"', b'"decision": "reject"'),
    "note": (rb'"note": "fine"', b'"note": "fine!"'),
    "name": (rb'"by": "\w+"', b'"by": "Eve"'),
    "date": (rb'"at": "\d{4}', b'"at": "2019'),
    "evidence": (rb'"evidence_sha256": "\w{4}', b'"evidence_sha256": "beef'),
    "what differs": (rb'"params.yaml": "\w{4}', b'"params.yaml": "beef'),
    "versions": (rb'"asd": "0', b'"asd": "9'),
}


@pytest.mark.parametrize("what", REWRITES)
@pytest.mark.parametrize("line", [0, 1])
def test_a_decision_that_was_rewritten(signed: Signed, tmp_path: Path, what: str, line: int) -> None:
    lines = signed.members[DECISIONS].splitlines(keepends=True)
    lines[line], count = re.subn(*REWRITES[what], lines[line])
    assert count == 1
    found = signed.check({**signed.members, DECISIONS: b"".join(lines)}, tmp_path)
    wanted = f"{DECISIONS} line 2: the chain is broken" if line == 0 else "the signature does not fit"
    assert wanted in found.problems[0]


def test_the_first_decision_taken_out(signed: Signed, tmp_path: Path) -> None:
    found = signed.check({**signed.members, DECISIONS: less(signed.members[DECISIONS], 0)}, tmp_path)
    assert found.problems[0].startswith(f"{DECISIONS} line 1: the chain is broken")


def test_all_decisions_taken_out(signed: Signed, tmp_path: Path) -> None:
    found = signed.check(without_decisions(signed.members), tmp_path)
    assert (found.problems, found.open) == ([], ["UNSIGNED: nobody has decided on this evidence"])


def forged(signed: Signed, tmp_path: Path, key: Path | None, **changes: Any) -> bytes:
    """Decisions with one more line, made like the last and signed with `key`."""
    log = tmp_path / "forged.jsonl"
    log.write_bytes(signed.members[DECISIONS])
    value = json.loads(signed.members[DECISIONS].splitlines()[-1]) | changes
    previous = sha256(signed.members[DECISIONS].splitlines(keepends=True)[-1]).hexdigest()
    del value["signature"], value["previous"]
    payload = json.dumps({**value, "previous": previous}, sort_keys=True).encode() + b"\n"
    append_line(log, {**value, "signature": None if key is None else sign(payload, key)})
    return log.read_bytes()


def test_another_key(signed: Signed, tmp_path: Path) -> None:
    for by, key in (("Ada", "Eve"), ("Eve", "Eve"), ("Ada", "Ben")):
        content = forged(signed, tmp_path, signed.key(key), by=by)
        found = signed.check({**signed.members, DECISIONS: content}, tmp_path)
        assert "decision 3 (approve by" in found.problems[0]
        assert f"which --signers does not hold for '{by}'" in found.problems[0]


def test_an_unsigned_line_behind_the_signed_ones(signed: Signed, tmp_path: Path) -> None:
    content = forged(signed, tmp_path, None, by="Ada", note="much better")
    found = signed.check({**signed.members, DECISIONS: content}, tmp_path)
    assert found.problems == []
    assert [text.partition(",")[0] for text in found.open] == ["UNSIGNED: decision 3 (approve by Ada"]


def test_a_decision_on_another_cell(signed: Signed, tmp_path: Path) -> None:
    content = forged(signed, tmp_path, signed.key("Ada"), by="Ada", cell="digits/badnets/none/0")
    found = signed.check({**signed.members, DECISIONS: content}, tmp_path)
    assert "is about digits/badnets/none/0, the evidence is of digits/badnets/asd/0" in found.problems[0]


def test_decisions_on_other_evidence_of_the_cell(signed: Signed, tmp_path: Path) -> None:
    content = forged(signed, tmp_path, signed.key("Ada"), by="Ada", evidence_sha256="0" * 64)
    lines = content.splitlines(keepends=True)
    alone = json.loads(lines[2]) | {"previous": "0" * 64}
    log = tmp_path / "alone.jsonl"
    del alone["previous"]
    append_line(log, alone)
    found = signed.check({**signed.members, DECISIONS: log.read_bytes()}, tmp_path)
    assert "decision 1 (approve by Ada" in found.problems[0]
    assert "the signature does not fit" in found.problems[0]  # it was signed as the third line


def test_versions_and_commit(signed: Signed, tmp_path: Path) -> None:
    made = {**parse(signed.members["statement.json"]).made, "asd": "9.9"}
    found = signed.check(stated(signed.members, made=made), tmp_path)
    assert found.problems[0].startswith("statement.json: `made` is not what decision 2 (approve by Ben")


def test_facts_of_the_statement(signed: Signed, tmp_path: Path) -> None:
    seeds = {"origin": "folder"}
    found = signed.check(stated(signed.members, seeds=seeds), tmp_path)
    assert "the statement was" in found.problems[0]
    found = signed.check(stated(without_decisions(signed.members), seeds=seeds, safe=True), tmp_path)
    assert any(text.startswith('statement.json: seeds is {"origin": "folder"}') for text in found.problems)
    assert "statement.json says 'safe', which asd does not write" in found.problems


def test_members_added_and_removed(signed: Signed, tmp_path: Path) -> None:
    members = {**signed.members, "notes.txt": b"all good"}
    found = signed.check(members, tmp_path)
    assert found.problems[0] == "notes.txt is in the zip, but the statement does not name it"
    assert "notes.txt was absent when it was signed" in signed.check(stated(members), tmp_path).problems[0]
    for name in (TRUSTED, LOG, SAMPLES, "index.html"):
        fewer = {n: c for n, c in signed.members.items() if n != name}
        assert f"{name} is missing in the zip" in signed.check(fewer, tmp_path).problems[0]
    for name in (TRUSTED, EXCLUSIONS):
        fewer = {n: c for n, c in signed.members.items() if n != name}
        before = parse(fewer["statement.json"])
        subjects = {n: d for n, d in before.subjects.items() if n != name}
        fewer["statement.json"] = Statement(CELL, subjects, before.predicate).to_bytes()
        problems = signed.check(fewer, tmp_path).problems
        assert f"{name} was " in problems[0]
        assert "and is absent now" in problems[0]


def test_a_statement_in_other_words(signed: Signed, tmp_path: Path) -> None:
    text = signed.members["statement.json"]
    for other in (
        text.replace(b"\n", b"\n "),
        text[:-2],
        b"[]",
        b"{}",
        b"[" * 10**5,
        text.replace(b"v1", b"v2"),
    ):
        found = signed.check({**signed.members, "statement.json": other}, tmp_path)
        assert found.problems[0].startswith("statement.json")


def test_a_file_that_unpacks_to_more_than_any_memory(signed: Signed, tmp_path: Path) -> None:
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    bomb = f"a0: &a0 [x]\n{levels}gates: *a29\n".encode()
    members = without_decisions({**signed.members, "params.yaml": bomb})
    found = signed.check(stated(members), tmp_path)
    assert found.problems == ["params.yaml unpacks to more than evidence may hold"]


def test_no_byte_of_the_zip_is_free(signed: Signed, tmp_path: Path) -> None:
    whole = signed.file.read_bytes()
    assert signed.look(signed.file).problems == []
    places = random.Random(4).sample(range(len(whole)), 120)
    places += [*range(30), *range(len(whole) - 80, len(whole))]  # a header, and the directory's end
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        file = tmp_path / "flipped.zip"
        file.write_bytes(changed)
        assert signed.look(file).problems, f"byte {place} of {len(whole)}"


@pytest.mark.parametrize("cut", [0, 10, 29, 5000, -1, -22, -200])
def test_cut_off(signed: Signed, tmp_path: Path, cut: int) -> None:
    file = tmp_path / "cut.zip"
    file.write_bytes(signed.file.read_bytes()[:cut])
    assert "cut off" in signed.look(file).problems[0]


def test_changed_after_the_check_sum_was_mended(signed: Signed, tmp_path: Path) -> None:
    """A byte of a member and its CRC, as somebody who knows the format would."""
    whole = bytearray(signed.file.read_bytes())
    [member] = [one for one in packing.scan(signed.file) if one.name == SAMPLES]
    end = member.data_offset + member.size
    whole[end - 20] ^= 1
    crc = zlib.crc32(whole[member.data_offset : end])
    mended = packing.Member(member.name, member.size, crc, member.offset)
    whole = whole.replace(member.local_header(), mended.local_header())
    whole = whole.replace(member.central_header(), mended.central_header())
    file = tmp_path / "mended.zip"
    file.write_bytes(whole)
    assert signed.look(file).problems[0].startswith(f"{SAMPLES} was changed: the statement says SHA-256 ")


NONSENSE: list[Any] = [b"", b"{}", b"\xff\xfe", b"[" * 10**5]
NONSENSE += [pytest.param(one, marks=pytest.mark.slow) for one in (b"[]", b"null", b'{"a": NaN}\n')]


@pytest.mark.parametrize("content", NONSENSE)
def test_nonsense_in_any_member_is_one_line(signed: Signed, tmp_path: Path, content: bytes) -> None:
    for name in signed.members:
        if name in ("statement.json", "index.html", "dvc.yaml", "sources/seeds.json", "sources/digits.json"):
            continue  # the statement has a test of its own; nothing reads the others
        members = {**signed.members, name: content}
        if name != DECISIONS:
            members = stated(without_decisions(members))
        elif not content:
            continue  # an empty log is a log
        problems = signed.check(members, tmp_path).problems
        assert problems, name
        assert not [text for text in problems if len(text) > 1000], name


def test_seeds_from_a_file_of_another_name(signed: Signed, tmp_path: Path) -> None:
    members = without_decisions(signed.members)
    lines = members.pop(TRUSTED)
    name = "seeds/people.csv"
    members["params.yaml"] = members["params.yaml"].replace(
        b"use: keys", b"use: keys\n  keys_file: people.csv"
    )
    lock = json.loads(members["dvc.lock"])
    lock["stages"]["seed@digits-badnets-0"]["params"]["params.yaml"]["seeds"]["keys_file"] = "people.csv"
    members["dvc.lock"] = json_bytes(lock)
    parsed = parse(members["statement.json"])
    rest = {n: d for n, d in parsed.subjects.items() if n != TRUSTED}
    members["statement.json"] = Statement(CELL, rest, parsed.predicate).to_bytes()
    assert signed.check(stated({**members, name: lines}), tmp_path).problems == []
    fewer = b"".join(lines.splitlines(keepends=True)[:-5])
    assert signed.check(stated({**members, name: fewer}), tmp_path).problems[0].startswith(f"{name}: seed ")
    [problem] = signed.check(stated(members), tmp_path).problems
    assert problem == f"{name}, from which the seeds are, is missing in the zip"
