"""Whether the files of an evidence agree with each other. They come from a stranger.

Who edits a label and makes the statement anew is found here where other files tell, and in any
case by the signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import ValidationError

from asd import store
from asd.audit.evidence import contents as names
from asd.audit.evidence.statement import Statement, facts_of
from asd.audit.reviews import latest_by_content, read_reviews
from asd.errors import AsdError, DataError
from asd.exclusions import read_exclusions
from asd.gate_params import GateParams
from asd.layout import Cell, Layout
from asd.seeds.seed_set import EXTRA
from asd.seeds.trusted import read_trusted
from asd.shards.manifest import MANIFEST, read_index_table, read_manifest

_LARGEST_TEXT = 64 * 2**20
_LARGEST_YAML = 2**20  # a stranger's megabyte takes seconds to read
_TEXTS = (".yaml", ".lock", ".json", ".csv", ".jsonl")
_MOST_ROWS = 20_000_000
_LARGEST_TABLE = 8 * 2**30
_MOST_NODES = 200_000


def disagreements(layout: Layout, statement: Statement) -> Iterator[str]:
    """What does not agree, a line each; `layout` is the folder into which the zip was unpacked."""
    try:
        _refuse_bombs(layout.root)
    except DataError as error:
        yield str(error)
        return
    checks: tuple[Callable[[Layout, Statement], Iterator[str]], ...] = (
        *(_shards, _samples, _predicate, _pools, _seeds, _exclusions, _gates, _recorded, _params),
    )
    for check in checks:
        try:
            yield from check(layout, statement)
        except AsdError as error:
            yield str(error).replace(f"{layout.root}/", "")
        except (pa.ArrowException, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            what = check.__name__.strip("_")
            yield f"{what}: not what asd writes ({type(error).__name__}: {str(error)[:120]!r})"


def _refuse_bombs(root: Path) -> None:
    import pyarrow.parquet as pq

    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".parquet":
            try:
                about = pq.ParquetFile(path).metadata
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{name} is not Parquet") from error
            groups = (about.row_group(i).total_byte_size for i in range(about.num_row_groups))
            if about.num_rows > _MOST_ROWS or sum(groups) > _LARGEST_TABLE:
                raise DataError(f"{name} unpacks to more than evidence may hold")
        elif path.suffix in _TEXTS and name != names.STATEMENT and path.stat().st_size > _LARGEST_TEXT:
            raise DataError(f"{name} has {path.stat().st_size:,} bytes, at most {_LARGEST_TEXT:,} are read")
        if name in ("params.yaml", "asd.lock", "dvc.yaml"):
            if path.stat().st_size > _LARGEST_YAML:
                raise DataError(
                    f"{name} has {path.stat().st_size:,} bytes, at most {_LARGEST_YAML:,} are read"
                )
            _refuse_aliases_without_end(path, name)


def _refuse_aliases_without_end(path: Path, name: str) -> None:
    """A small file can name a list of lists of lists that fills any memory."""
    seen: dict[int, int] = {}

    def size(node: yaml.Node | None) -> int:
        if id(node) not in seen:
            seen[id(node)] = _MOST_NODES  # an alias to itself counts as too large
            inner: list[Any] = []
            if isinstance(node, yaml.MappingNode):
                inner = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                inner = list(node.value)
            seen[id(node)] = 1 + sum(size(part) for part in inner)
        return seen[id(node)]

    try:
        total = size(yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{name} is not valid YAML") from error
    if total > _MOST_NODES:
        raise DataError(f"{name} unpacks to more than evidence may hold")


# -- data --------------------------------------------------------------------------------------


def _shards(layout: Layout, statement: Statement) -> Iterator[str]:
    cell = statement.cell
    for folder in names.shard_folders(layout, cell):
        place = names.relative(layout, folder)
        if folder.name == EXTRA and not (folder / MANIFEST).is_file():
            continue
        manifest = read_manifest(folder)
        read_index_table(folder, manifest)
        wanted = {f"{place}/{shard.name}": shard.sha256 for shard in manifest.shards}
        for name, digest in wanted.items():
            found = statement.subjects.get(name)
            if found != digest:
                yield f"{name}: its manifest says SHA-256 {digest[:12]}, the statement {str(found)[:12]}"
        for name in statement.subjects:
            if name.startswith(f"{place}/") and name.endswith(".tar") and name not in wanted:
                yield f"{name} is in the statement, but its manifest does not name it"
    base = read_manifest(layout.poisoned(cell.dataset, cell.attack, "train")).base
    under = read_manifest(layout.fetched(cell.dataset, "train")).sha256
    if base is None or base.sha256 != under:
        yield (
            f"data/poisoned: lies over a training set {'none' if base is None else base.sha256[:12]}, "
            f"found {under[:12]}"
        )


def run_view(layout: Layout, cell: Cell) -> pa.Table:
    """Key, label and content hash of every sample as the run saw it: base, overlay, extra seeds."""
    folders = [layout.fetched(cell.dataset, "train"), layout.poisoned(cell.dataset, cell.attack, "train")]
    base, over = (read_index_table(folder, read_manifest(folder)) for folder in folders)
    place = pc.index_in(base["key"], value_set=over["key"].combine_chunks())
    columns = {"key": base["key"]}
    for name in ("label", "content_sha256"):
        columns[name] = pc.if_else(pc.is_valid(place), over[name].take(place), base[name])
    view = pa.table(columns)
    extra = layout.seed_set(cell.dataset, cell.attack, cell.trial) / EXTRA
    if (extra / MANIFEST).is_file():
        more = read_index_table(extra, read_manifest(extra)).select(view.column_names)
        view = pa.concat_tables([view, more])
    return view


def _samples(layout: Layout, statement: Statement) -> Iterator[str]:
    path = layout.audit_samples(statement.cell)
    name = names.relative(layout, path)
    view = run_view(layout, statement.cell)
    found = store.read_parquet(path, [*view.column_names, "class_name"])
    if found.num_rows != view.num_rows:
        yield f"{name} has {found.num_rows} samples, the indexes of the data have {view.num_rows}"
        return
    for column in view.column_names:
        same = pc.fill_null(pc.equal(found[column].cast(view[column].type), view[column]), False)
        if not pc.all(same, min_count=0).as_py():
            row = pc.index(same, False).as_py()
            key, got, want = (t[c][row].as_py() for t, c in ((view, "key"), (found, column), (view, column)))
            yield f"{name}: {column} of {key!r} is {got!r}, the index of the data says {want!r}"
    classes = read_manifest(layout.fetched(statement.cell.dataset, "train")).class_names
    called = pa.array(classes, pa.string()).take(view["label"].combine_chunks())
    same = pc.fill_null(pc.equal(found["class_name"].combine_chunks().cast(pa.string()), called), False)
    if not pc.all(same, min_count=0).as_py():
        row = pc.index(same, False).as_py()
        yield (
            f"{name}: class_name of {view['key'][row].as_py()!r} is {found['class_name'][row].as_py()!r}, "
            f"the manifest says {called[row].as_py()!r}"
        )


def _predicate(layout: Layout, statement: Statement) -> Iterator[str]:
    for key, wanted in facts_of(layout, statement.cell).items():
        found = statement.predicate.get(key)
        if found != wanted:
            yield f"statement.json: {key} is {_said(found)}, the files say {_said(wanted)}"
    name = names.relative(layout, names.model_file(layout, statement.cell))
    model = {"name": name, "sha256": statement.subjects.get(name)}
    said = statement.predicate.get("model")
    if said != model or model["sha256"] is None:
        yield f"statement.json: model is {_said(said)}, its subjects say {_said(model)}"
    known = {*facts_of(layout, statement.cell), "gates", "model", "made"}
    for key in sorted({*statement.predicate} - known):
        yield f"statement.json says {key[:80]!r}, which asd does not write"


def _said(value: Any) -> str:
    return json.dumps(value, sort_keys=True)[:200]


def _pools(layout: Layout, statement: Statement) -> Iterator[str]:
    pools = store.read_json(layout.audit_pools(statement.cell))
    for key in ("samples", "verdicts"):
        wanted, found = statement.predicate.get(key), pools.get(key)
        if key == "verdicts":  # pools.json lists the verdicts that no sample has, too
            found = {name: n for name, n in (found or {}).items() if n} or None
        if found != wanted:
            yield f"audit/pools.json: {key} {_said(found)}, samples.parquet has {_said(wanted)}"


# -- what people said --------------------------------------------------------------------------


def _seeds(layout: Layout, statement: Statement) -> Iterator[str]:
    cell = statement.cell
    folder = layout.seed_set(cell.dataset, cell.attack, cell.trial)
    about = store.read_json(folder / "seed_set.json")
    ranked = store.read_parquet(folder / "ranked.parquet", ["key", "label"])
    view = run_view(layout, cell)
    place = pc.index_in(ranked["key"], value_set=view["key"].combine_chunks())
    if place.null_count:
        row = pc.index(pc.is_valid(place), False).as_py()
        yield f"seeds: {ranked['key'][row].as_py()!r} is a seed but no sample of the run"
        return
    rows = view.take(place).to_pylist()
    for row, label in zip(rows, ranked["label"].to_pylist(), strict=True):
        if row["label"] != label:
            yield f"seeds: {row['key']!r} is a seed of class {label}, the run has label {row['label']}"
    classes = read_manifest(layout.fetched(cell.dataset, "train")).class_names
    labels = ranked["label"].to_pylist()
    counts = {name: labels.count(label) for label, name in enumerate(classes)}
    if about.get("counts") != counts:
        yield f"seeds: seed_set.json counts {_said(about.get('counts'))}, ranked.parquet has {_said(counts)}"
    if about.get("vouched_by"):
        yield from _vouched(layout, statement, rows, about["vouched_by"])


def _vouched(layout: Layout, statement: Statement, rows: list[dict[str, Any]], said: Any) -> Iterator[str]:
    """Each seed stands in the file of people's seeds with the picture that was looked at."""
    asked = names.read_yaml(layout.params).get("seeds", {}).get("keys_file", layout.trusted_seeds.name)
    file = f"{names.relative(layout, layout.seeds_by_people)}/{asked}"
    if file not in statement.subjects:
        yield f"{file}, from which the seeds are, is missing in the zip"
        return
    dataset = statement.cell.dataset
    by_key = {row.key: row for row in read_trusted(layout.root / file) if row.dataset == dataset}
    who: dict[str, int] = {}
    for row in rows:
        line = by_key.get(row["key"])
        if line is None or line.content_sha256 != row["content_sha256"]:
            why = "does not name it" if line is None else f"vouches for picture {line.content_sha256[:12]}"
            yield f"{file}: seed {row['key']!r} has picture {row['content_sha256'][:12]}, the file {why}"
        else:
            who[line.by] = who.get(line.by, 0) + 1
    if who != said:
        yield f"{file}: vouched for by {_said(who)}, seed_set.json says {_said(said)}"


def _exclusions(layout: Layout, statement: Statement) -> Iterator[str]:
    """Who was last called poisoned is excluded, and who is excluded took no part."""
    dataset = statement.cell.dataset
    rows = [row for row in read_exclusions(layout.exclusions) if row.dataset == dataset]
    excluded = {row.content_sha256 for row in rows}
    reviews = [one for one in read_reviews(layout.review_log) if one.dataset == dataset]
    for content, last in latest_by_content(reviews).items():
        if last.verdict == "poisoned" and content not in excluded:
            yield (
                f"reviews/exclusions.csv does not name {content[:12]}, "
                f"which {last.by!r} called poisoned in the review log"
            )
    view = run_view(layout, statement.cell)
    kept = pc.is_in(view["content_sha256"], value_set=pa.array(sorted(excluded), pa.string()))
    for row in view.filter(kept).to_pylist():
        yield f"reviews/exclusions.csv names {row['key']!r}, which took part in the run"


# -- gates and locks ---------------------------------------------------------------------------


def _gates(layout: Layout, statement: Statement) -> Iterator[str]:
    found = store.read_json(layout.root / names.GATES)
    try:
        limits = GateParams.model_validate(names.read_yaml(layout.params).get("gates") or {}).limits()
    except ValidationError as error:
        raise DataError("params.yaml: gates are not what asd reads") from error
    if found["limits"] != limits:
        yield f"gates.json: limits {_said(found['limits'])}, params.yaml has {_said(limits)}"
    if statement.predicate.get("gates") != [one["text"] for one in found["judged"]]:
        yield "statement.json: gates are not those of gates.json"
    metrics = store.read_json(layout.metrics(statement.cell))
    for one in found["judged"]:
        gate, limit, value = one["gate"], one["limit"], one["value"]
        if limits.get(gate) != limit:
            yield f"gates.json: {gate} was held against {limit}, params.yaml says {limits.get(gate)}"
        holds = None if value is None else value >= limit if gate.startswith("least") else value <= limit
        if one["holds"] is not holds:
            said = _said(one["holds"])
            yield f"gates.json: {gate} is {said}, but {value} against {limit} is {_said(holds)}"
        if one["of"] == str(statement.cell) and one["figure"] in metrics and metrics[one["figure"]] != value:
            yield f"gates.json: {one['figure']} is {value}, metrics.json says {metrics[one['figure']]}"


def _recorded(layout: Layout, statement: Statement) -> Iterator[str]:
    """dvc.lock names the stages of the cell, and the MD5 of what they wrote."""
    stages = store.read_json(layout.root / names.LOCK)["stages"]
    if list(stages) != sorted(names.stages_of(statement.cell)):
        yield f"dvc.lock records {_said(list(stages))}, the cell has {_said(names.stages_of(statement.cell))}"
    report = names.relative(layout, layout.audit_report(statement.cell))
    for name, stage in stages.items():
        for out in stage.get("outs", []):
            file = layout.root / (names.INDEX if out["path"] == report else str(out["path"]))
            known = out["path"] in statement.subjects or out["path"] == report
            found = _md5(file) if known and file.is_file() else out["md5"]
            if found != out["md5"]:
                yield f"{file.name}: its MD5 is {found[:12]}, {name} wrote {out['md5'][:12]} (dvc.lock)"


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _params(layout: Layout, statement: Statement) -> Iterator[str]:
    """What dvc.lock says the stages read is what stands in params.yaml and asd.lock."""
    files = {"params.yaml": names.read_yaml(layout.params), "asd.lock": names.read_yaml(layout.code_lock)}
    stages = store.read_json(layout.root / names.LOCK)["stages"]
    for stage, entry in stages.items():
        for file, values in entry.get("params", {}).items():
            for key, wanted in values.items():
                found = files.get(file)
                for part in key.split("."):
                    found = found.get(part) if isinstance(found, dict) else None
                if found != wanted:
                    yield f"{file}: {key} is {_said(found)}, {stage} ran with {_said(wanted)} (dvc.lock)"
