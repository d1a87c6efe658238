"""Evils in Parquet tables and in labels files."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.unit.intake.evils.kit import Corpus, jpeg, png, poison_pickle

_CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def parquet_bytes(
    pictures: list[object], labels: pa.Array, kind: pa.DataType = _CELL, **more: object
) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"img": pa.array(pictures, kind), "label": labels}), stream, **more)
    return stream.getvalue()


def _cell(data: bytes | None) -> dict[str, object]:
    return {"bytes": data, "path": "../../etc/passwd"}


def tables(root: Path, canary: Path) -> Corpus:
    """A folder of Parquet files."""
    corpus = Corpus(root / "tables")
    corpus.drop.mkdir()

    def put(evil: str, name: str, data: bytes, row: int | None = 0) -> None:
        (corpus.drop / name).write_bytes(data)
        corpus.evil(evil, name if row is None else f"{name}#{row}")

    plain = parquet_bytes([_cell(png(4000 + n)) for n in range(200)], pa.array(["cat"] * 200))
    corpus.good += 200
    put("parquet-lying-row-count", "rows.parquet", lying_rows(plain), None)
    put("parquet-cut", "cut.parquet", plain[:-50], None)
    put("parquet-magic-only", "magic.parquet", b"PAR1PAR1", None)
    put("parquet-lying-footer", "footer.parquet", plain[:-8] + b"\xff\xff\xff\x7fPAR1", None)
    put(
        "parquet-random-footer",
        "random.parquet",
        b"PAR1" + np.random.default_rng(2).bytes(900) + b"\x80\3\0\0PAR1",
        None,
    )
    page = bytearray(parquet_bytes([_cell(png(4300))], pa.array(["cat"])))
    page[30:200] = bytes(170)
    put("parquet-broken-page", "page.parquet", bytes(page), None)
    stream = io.BytesIO()
    pq.write_table(pa.table({"picture": [b"x"], "label": ["cat"]}), stream)
    put("parquet-no-column", "column.parquet", stream.getvalue(), None)
    fast = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
    bomb = parquet_bytes([_cell(bytes(300 * 2**20))], pa.array(["cat"]), **fast)
    put("parquet-page-bomb", "bomb.parquet", bomb, None)
    cells = [_cell(png(4301)), _cell(png(4302)), _cell(png(4303))]
    put("parquet-label-nan", "nan.parquet", parquet_bytes(cells[:1], pa.array([math.nan])))
    put("parquet-label-infinite", "infinite.parquet", parquet_bytes([_cell(png(4309))], pa.array([math.inf])))
    put("parquet-label-null", "null.parquet", parquet_bytes(cells[1:2], pa.array([None], pa.string())))
    put("parquet-label-out-of-range", "range.parquet", parquet_bytes(cells[2:], pa.array([99])))
    put("parquet-label-negative", "negative.parquet", parquet_bytes([_cell(png(4304))], pa.array([-1])))
    put("parquet-label-list", "list.parquet", parquet_bytes([_cell(png(4305))], pa.array([["cat"]])))
    put("parquet-label-bytes", "bytes.parquet", parquet_bytes([_cell(png(4306))], pa.array([b"cat"])))
    put("parquet-label-half", "half.parquet", parquet_bytes([_cell(png(4307))], pa.array([0.5])))
    put("parquet-path-only", "path.parquet", parquet_bytes([_cell(None)], pa.array(["cat"])))
    text = parquet_bytes(["/etc/passwd"], pa.array(["cat"]), pa.string())
    put("parquet-picture-is-text", "text.parquet", text)
    numbers = parquet_bytes([[1, 2, 3]], pa.array(["cat"]), pa.list_(pa.int64()))
    put("parquet-picture-is-list", "pixels.parquet", numbers)
    put("parquet-pickle", "pickle.parquet", parquet_bytes([_cell(poison_pickle(canary))], pa.array(["cat"])))
    lie = {b"huggingface": json.dumps({"info": {"features": {"label": {"names": "x" * 99}}}}).encode()}
    table = pa.table({"img": pa.array([_cell(jpeg(4308))], _CELL), "label": pa.array([1])})
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(lie), stream)
    put("parquet-lying-class-names", "names.parquet", stream.getvalue())
    large = parquet_bytes([_cell(bytes(2**25 + 1))], pa.array(["cat"]), **fast)
    put("parquet-cell-too-large", "large.parquet", large)
    return corpus


def lying_rows(plain: bytes) -> bytes:
    """The same file whose footer says 300 rows where there are 200."""
    size = int.from_bytes(plain[-8:-4], "little")
    footer = plain[-8 - size : -8]
    said, lie = b"\x16\x90\x03", b"\x16\xd8\x04"  # a 64-bit field of zigzag 200, and of 300
    assert said in footer
    return plain[: -8 - size] + footer.replace(said, lie, 1) + plain[-8:]


def labels(root: Path) -> Corpus:
    """A folder with a CSV."""
    corpus = Corpus(root / "labels")
    (corpus.drop / "img").mkdir(parents=True)
    for number in range(6):
        (corpus.drop / "img" / f"{number}.png").write_bytes(png(5000 + number))
    lines = ["path,label", "img/0.png,cat", "img/1.png,dog"]
    corpus.good = 2

    def line(evil: str, text: str, path: str | None = None) -> None:
        lines.append(text)
        corpus.evil(evil, path or f"labels.csv#{len(lines)}")

    line("csv-dot-dot", "../../../etc/passwd,cat")
    line("csv-absolute-path", "/etc/passwd,cat")
    line("csv-drive-letter", "C:\\pictures\\1.png,cat")
    line("csv-missing-file", "img/none.png,cat")
    line("csv-named-twice", "img/0.png,dog")
    line("csv-label-nan", "img/2.png,nan", "img/2.png")
    line("csv-no-label", "img/3.png,", "img/3.png")
    line("csv-formula-as-label", "img/4.png,=HYPERLINK(1)", "img/4.png")
    line("csv-one-cell", "img/5.png")
    line("csv-null-byte", "img/\0.png,cat")
    line("csv-bad-quotes", '"img/"5.png,cat')
    corpus.evil("csv-not-listed", "img/5.png")
    (corpus.drop / "labels.csv").write_text("\n".join(lines) + "\n")
    return corpus
