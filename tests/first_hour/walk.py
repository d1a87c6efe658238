"""The way from a vendor's folder to a served model, by documented commands alone.

`walk` types them; nothing in the workspace is written but by `asd`. What a person would do by eye
(choosing pictures from the sheets) is played with the knowledge of which pictures were stamped.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.first_hour import service, vendor
from tests.first_hour.shell import Shell


@dataclass(frozen=True)
class Setting:
    """Which pictures the vendor delivers, and what is hidden among them."""

    name: str
    train: vendor.Pictures
    test: vendor.Pictures
    target: str
    share: float = 0.05
    width: float = 0.15
    seeds: int = 10
    mirrored: bool = False


@dataclass(frozen=True)
class Outcome:
    """What the walk ended with; counts as printed by service.MEASURE."""

    defended: dict[str, int]
    undefended: dict[str, int]
    served: dict[str, Any]
    predicted: dict[str, Any]
    refused: int
    trusted: dict[str, int]


def setting(name: str, per_class: int = 10**9, classes: int | None = None) -> Setting:
    """`digits` (embedded), or `cifar10` or `gtsrb` of ASD_TEST_DATA."""
    if name == "digits":
        found = [vendor.digits(test, per_class) for test in (False, True)]
        return Setting(name, *found, target="digit_3", width=0.25)
    train = vendor.from_parquet(name, classes, test=False, per_class=per_class)
    test = vendor.from_parquet(name, classes, test=True, per_class=200)
    if name == "cifar10":
        return Setting(name, train, test, "cat", mirrored=True)
    return Setting(name, train, test, "sign_03")


def walk(shell: Shell, given: Setting, form: str, python: Path | None = None) -> Outcome:
    """All of it; `python` is that of a service environment which is there already."""
    files = deliver(shell, given, form)
    begin(shell)
    choose_seeds(shell, given, files, form)
    train(shell, given)
    trusted = export_data(shell, files, form)
    python = python or make_service(shell)
    served, predicted, refused = serve(shell, python, given)
    defended, undefended = compare(shell, python, given)
    return Outcome(defended, undefended, served, predicted, refused, trusted)


def deliver(shell: Shell, given: Setting, form: str) -> list[vendor.Delivered]:
    files = vendor.delivery(given.train, given.target, given.share, given.width)
    vendor.FORMS[form](files, shell.home / "vendor")
    own, triggered = shell.home / "my-test", shell.home / "triggered"
    vendor.write_own_test(given.test, given.target, own, triggered, given.width)
    stamped = sum(file.poisoned for file in files)
    shell.say(
        f"`~/vendor` is what came: {len(files)} pictures ({given.name}, {form}) of mixed sizes. What its "
        f"receiver does not know: {stamped} of them carry a small checker near the corner and the label "
        f"`{given.target}`. `~/my-test` holds {len(given.test.labels)} pictures that the receiver took and "
        "labelled."
    )
    return files


def begin(shell: Shell) -> None:
    shell.say("## A workspace around the pictures")
    shell.run("asd init mine --data vendor")
    shell.run("asd source set vendor.test ~/my-test", inside="mine")


def choose_seeds(shell: Shell, given: Setting, files: Sequence[vendor.Delivered], form: str) -> None:
    shell.say("## Seeds")
    shell.run("asd seeds sheet", inside="mine")
    shell.say(
        "On the sheets one looks for pictures with the right label and nothing stamped on them, "
        f"{given.seeds} of each class:"
    )
    chosen = _clean_numbers(shell.home / "mine", vendor.poisoned_by_source(files, form), given.seeds)
    for name, numbers in chosen.items():
        shell.run(f"asd seeds add --class {name} {','.join(numbers)} --by Ada", inside="mine")
    shell.run("asd seeds check", inside="mine")


def _clean_numbers(workspace: Path, poisoned: dict[str, bool], wanted: int) -> dict[str, list[str]]:
    index = pq.read_table(workspace / "data/fetched/vendor/train/index.parquet", columns=["key", "source"])
    source = dict(zip(index["key"].to_pylist(), index["source"].to_pylist(), strict=True))
    chosen: dict[str, list[str]] = {}
    with (workspace / "sheets/vendor/numbers.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            numbers = chosen.setdefault(row["class"], [])
            if len(numbers) < wanted and not poisoned[source[row["key"]]]:
                numbers.append(row["number"])
    return chosen


def train(shell: Shell, given: Setting) -> None:
    shell.say("## Train")
    shell.run("asd run --dry-run", inside="mine")
    if given.mirrored:
        shell.say("Left and right are alike in these pictures, so `asd init`'s note is followed:")
        shell.run("asd run -S training.augment.flip=true", inside="mine")
    else:
        shell.run("asd run", inside="mine")
    shell.run("asd status", inside="mine")


def export_data(shell: Shell, files: Sequence[vendor.Delivered], form: str) -> dict[str, int]:
    """Counts of what the run trusts: samples, and stamped ones among them."""
    shell.say("## The trusted part of the data, to train something else on")
    shell.run("asd export vendor ~/trusted --format parquet --only seed,clean", inside="mine")
    poisoned = vendor.poisoned_by_source(files, form)
    with (shell.home / "trusted/index.csv").open(newline="") as stream:
        sources = [row["source"] for row in csv.DictReader(stream)]
    return {"samples": len(sources), "stamped": sum(poisoned[source] for source in sources)}


def make_service(shell: Shell) -> Path:
    """A fresh environment with what docs/ship.md says, by pip."""
    shell.say("## A service of one's own, without Prefect and DVC")
    shell.run("python3 -m venv service")
    shell.run(f"service/bin/pip install --quiet {service.NEEDED} 2>&1 | grep -v WARNING || true",
              shown=f"service/bin/pip install --quiet {service.NEEDED}")  # fmt: skip
    shell.run(f"service/bin/pip install --quiet --no-deps {shell.clone}")
    shell.run("service/bin/pip list 2>/dev/null | grep -i -c -E '^(prefect|dvc|torch) '")
    return shell.home / "service/bin/python"


def serve(shell: Shell, python: Path, given: Setting) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Answers of the server and of `asd predict` for one picture, and the status for a PDF."""
    shell.say("## Ship")
    shell.run("asd run -S gates.least_acc=0.5 -S gates.most_estimated_poisoned_share=0.3", inside="mine")
    shell.run("asd model export vendor/none/asd/0 ~/model", inside="mine")
    photo = sorted((shell.home / "my-test").glob("*/*.jpg"))[0].relative_to(shell.home)
    predicted = json.loads(shell.run(f"asd predict model {photo} --json"))[0]
    shell.say("`serve.py` is the program of [Shipping a model](ship.md#serve), started in that environment:")
    (shell.home / "serve.py").write_text(service.server_of_the_manual(shell.clone))
    environment = {name: value for name, value in shell.environment().items() if name != "PYTHONPATH"}
    with service.served(python, shell.home, "model", environment) as address:
        status, answer = service.ask(address, (shell.home / photo).read_bytes())
        refused, _ = service.ask(address, b"%PDF-1.7 not a picture")
    assert status == 200, answer
    shell.say(
        f"```text\n~$ service/bin/python serve.py model 8080 &\n"
        f"~$ curl --data-binary @{photo} localhost:8080\n{json.dumps(answer)}\n```"
    )
    return answer, predicted, refused


def compare(shell: Shell, python: Path, given: Setting) -> tuple[dict[str, int], dict[str, int]]:
    """Figures of both exported models, computed in the service's environment."""
    shell.say("## What would have happened without a defense")
    shell.run("asd run -S 'cells.defenses=[none, asd]'", inside="mine")
    shell.run("asd table", inside="mine")
    shell.run("asd model export vendor/none/none/0 ~/undefended", inside="mine")
    shell.say(
        "The vendor's trigger is on `~/triggered`: the pictures of `~/my-test` that are not "
        f"`{given.target}`, stamped. `measure.py` (in tests/first_hour/service.py) counts "
        "with `asd.load_model(...).predict(files)`:"
    )
    (shell.home / "measure.py").write_text(service.MEASURE)
    found = [
        json.loads(shell.run(f"{python} measure.py {name} {given.target}",
                             shown=f"service/bin/python measure.py {name} {given.target}").splitlines()[-1])
        for name in ("model", "undefended")
    ]  # fmt: skip
    for name, counts in zip(("exported (asd)", "undefended"), found, strict=True):
        shell.say(
            f"- {name}: right on {counts['right']} of {counts['of']} clean pictures "
            f"({counts['right'] / counts['of']:.1%}); the trigger works on {counts['obeyed']} of "
            f"{counts['triggered']} ({counts['obeyed'] / counts['triggered']:.1%}; without it "
            f"{counts['base'] / counts['triggered']:.1%} are taken for `{given.target}`)"
        )
    return found[0], found[1]
