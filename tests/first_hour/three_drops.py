"""A workspace whose data are three clean drops of CIFAR-10 as JPEG, ready for `asd rehearse`.

`python -m tests.first_hour.three_drops DIR [--per-class 1000]`, with ASD_TEST_DATA set. It is what
docs/rehearsal.md was measured on: preset `drops`, a test set and seeds that somebody vouches for.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from tests.first_hour import vendor

_SENT = ((1, "acme"), (2, "acme"), (3, "globex"))
_SEEDS = 10


def main() -> None:
    """Write the pictures, take in the drops, vouch for the first pictures of each sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-class", type=int, default=1000)
    options = parser.parse_args()
    root: Path = options.folder.absolute()
    write_pictures(root, options.per_class)
    asd(root, "init", "mine", "--preset", "drops")
    workspace = root / "mine"
    asd(workspace, "source", "set", "drops.test", str(root / "my-test"))
    for number, source in _SENT:
        asd(workspace, "drop", "add", str(root / "sent" / f"drop{number}"), "--source", source)
    asd(workspace, "seeds", "sheet")
    for name, numbers in on_sheets(workspace / "sheets" / "drops" / "numbers.csv").items():
        asd(workspace, "seeds", "add", "--class", name, ",".join(numbers[:_SEEDS]), "--by", "Ada")
    asd(workspace, "seeds", "check")


def write_pictures(root: Path, per_class: int) -> None:
    """`sent/drop{1,2,3}/CLASS/*.jpg`, and 200 a class of the test pictures in `my-test`."""
    train = vendor.from_parquet("cifar10", None, test=False, per_class=per_class)
    for i, (pixels, label) in enumerate(zip(train.pixels, train.labels, strict=True)):
        drop = root / "sent" / f"drop{1 + len(_SENT) * i // len(train.labels)}"
        write(drop / label / f"{i:06d}.jpg", pixels)
    test = vendor.from_parquet("cifar10", None, test=True, per_class=200)
    for i, (pixels, label) in enumerate(zip(test.pixels, test.labels, strict=True)):
        write(root / "my-test" / label / f"own_{i:05d}.jpg", pixels)


def write(path: Path, pixels: vendor.Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(vendor.jpeg(pixels))


def on_sheets(file: Path) -> dict[str, list[str]]:
    """Class -> numbers on its sheet. Nothing was planted here, so any picture will do."""
    found: dict[str, list[str]] = {}
    with file.open(newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["class"], []).append(row["number"])
    return found


def asd(folder: Path, *words: str) -> None:
    sys.stdout.write(" ".join(("$ asd", *words)) + "\n")
    sys.stdout.flush()
    subprocess.run([str(Path(sys.executable).parent / "asd"), *words], cwd=folder, check=True)


if __name__ == "__main__":
    main()
