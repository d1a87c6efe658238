"""`asd bench`: measure this installation on this machine."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asd.cli.output import JsonOption, WorkspaceOption, new_app, open_workspace, print_json

if TYPE_CHECKING:
    from asd.bench.poison import PoisonBench
    from asd.bench.sift import SiftedAttack

HELP = "Measure speed and memory on this machine; figures of two machines cannot be compared."

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="Where the made-up data lie while it works (audit: about 1.6 GB).",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = new_app(HELP)
    group.command("audit", epilog="Example: asd bench audit --samples 1000000 --epochs 120")(audit)
    group.command("poison", epilog="Example: asd bench poison --attack badnets --attack sig --json")(poison)
    group.command("intake", epilog="Example: asd bench intake --images 100000 --form tar")(intake)
    group.command("pipeline", epilog="Example: asd bench pipeline --json")(pipeline)
    group.command("sift", epilog="Example: asd bench sift cifar10 --attack badnets --trials 3")(sift)
    app.add_typer(group, name="bench")


class DropForm(StrEnum):
    """In which form the drop comes."""

    parquet = "parquet"
    folder = "folder"
    tar = "tar"


def audit(
    samples: Annotated[int, typer.Option(min=1000, metavar="N", help="Samples a run.")] = 1_000_000,
    epochs: Annotated[int, typer.Option(min=8, metavar="N", help="Epochs a run.")] = 120,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Memory of the audit's commands and speed of its pages, on two made-up runs.

    The runs are drawn at random, written by the real writers, and deleted at the end. With the
    defaults it takes about ten minutes on two cores, most of it to make the runs.
    """
    from asd.bench.audit import measure

    _check(folder)
    found = measure(samples, epochs, lambda text: typer.echo(text, err=True), folder)
    if as_json:
        print_json(asdict(found) | {"speed_up": found.speed_up})
        return
    typer.echo(f"{found.samples:,} samples x {found.epochs} epochs, two runs")
    typer.echo(f"{'seconds':>9} {'peak MiB':>9}  command")
    for one in found.commands:
        typer.echo(f"{one.seconds:9.1f} {one.peak_mib:9.0f}  {one.command}")
    typer.echo(f"{'median ms':>9} {'p95 ms':>9}  page")
    for page in (*found.pages, found.all_pages):
        typer.echo(f"{page.median_ms:9.0f} {page.p95_ms:9.0f}  {page.page}")
    typer.echo(f"{'':9} {found.server_peak_mib:9.0f}  peak MiB of the server")
    typer.echo(
        f"a page from memory is {found.speed_up:.1f} times as fast as from the files "
        f"({found.page_of_memory_ms:.0f} against {found.page_of_parquet_ms:.0f} ms)"
    )


def intake(
    images: Annotated[int, typer.Option(min=1000, metavar="N", help="Pictures in the drop.")] = 50_000,
    form: Annotated[DropForm, typer.Option(help="In which form they come.")] = DropForm.parquet,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pictures a second through the whole intake gate, and the memory of the gate and its processes.

    The drop is drawn at random (32 x 32 pixels, JPEG) and deleted at the end. A plain loop in one
    process, which decodes and saves with Pillow, is measured in the same run for comparison.
    """
    from asd.bench.intake import measure

    _check(folder)
    found = measure(images, form, lambda text: typer.echo(text, err=True), folder)
    if as_json:
        print_json(asdict(found) | {"ratio": found.ratio})
        return
    typer.echo(f"{found.images:,} pictures ({found.form}), {found.accepted:,} accepted")
    typer.echo(f"{found.images_per_second:9.0f} pictures a second through the gate ({found.seconds:.1f} s)")
    typer.echo(f"{found.plain_per_second:9.0f} pictures a second in a plain loop: {found.ratio:.2f} times")
    typer.echo(
        f"{found.all_cpu_ms:9.2f} CPU ms a picture, {found.gate_cpu_ms:.2f} of them in the gate's own process"
    )
    typer.echo(
        f"{found.peak_mib:9.0f} peak MiB of the gate and its processes, {found.allowed_mib:.0f} allowed"
    )


def pipeline(as_json: JsonOption = False) -> None:
    """Seconds that `asd run` costs beside the steps: per stale stage, and once a run.

    A pipeline whose steps do nothing runs with a Prefect server of the run's own and with one that
    runs already, each with few and with many stages. It takes about two minutes on two idle cores.
    """
    from asd.bench.pipeline import measure

    found = measure(lambda text: typer.echo(text, err=True))
    if as_json:
        print_json([asdict(one) | {"per_stage": one.per_stage, "per_run": one.per_run} for one in found])
        return
    for one in found:
        typer.echo(
            f"{one.server} server: {one.per_stage:.2f} s a stale stage and {one.per_run:.1f} s a run; "
            f"{one.many} stages in {one.seconds_many:.1f} s, {one.allowed_many:.1f} allowed "
            f"(load of the machine {one.load:.1f})"
        )


def _check(folder: Path | None) -> None:
    from asd.errors import ParamsError

    if folder is not None and not folder.is_dir():
        raise ParamsError(f"--dir {folder}: there is no such folder")


def poison(
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this attack; may be repeated.", show_default=False),
    ] = None,
    images: Annotated[
        list[int] | None,
        typer.Option(
            "--images",
            min=1000,
            metavar="N",
            help="Size of a training set; may be repeated.",
            show_default="10000 and 100000",
        ),
    ] = None,
    poisoned: Annotated[int, typer.Option(min=1, metavar="N", help="Samples poisoned in each.")] = 500,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pictures of 32x32 that each attack stamps a second on one core, and the cost of planting.

    Planting takes as many samples in a small and in a large training set; both are drawn at random
    and deleted at the end. The attacks with networks take some minutes: they are slow.
    """
    from asd.bench.poison import measure

    _check(folder)
    sizes = images or [10_000, 100_000]
    found = measure(attack or [], sizes, poisoned, lambda text: typer.echo(text, err=True), folder)
    if as_json:
        print_json(asdict(found))
        return
    _show_poison(found)


def _show_poison(found: PoisonBench) -> None:
    typer.echo(f"one thread, 32x32 in colour; numpy copies {found.copy_images_per_second:,.0f} a second")
    typer.echo(f"{'images/s':>11} {'copies':>9}  attack")
    for one in found.speeds:
        mark = {None: "  (with a network)", True: "", False: "  under the 20,000 that are wanted"}[
            one.is_fast
        ]
        typer.echo(f"{one.images_per_second:11,.0f} {one.copies:9,.1f}  {one.attack}{mark}")
    head = ("images", "poisoned", "plant s", "index s", "check s", "overlay KB", "truth KB")
    typer.echo(" ".join(f"{word:>10}" for word in head))
    for size in found.planted:
        row = (
            *(f"{number:,}" for number in (size.images, size.poisoned)),
            *(f"{s:.2f}" for s in (size.plant_seconds, size.index_seconds, size.check_seconds)),
            *(f"{count / 1000:,.1f}" for count in (size.overlay_bytes, size.truth_bytes)),
        )
        typer.echo(" ".join(f"{word:>10}" for word in row))


def sift(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATASET]...", help="Default: those of `cells`.", show_default=False),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this variant; may be repeated.", show_default="all in cells"),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, metavar="N", help="Trials, from 0 on.")] = 3,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Poisoned pictures among sifted seeds, for each attack whose poisoned set the workspace has.

    It reads what was planted, and writes nothing. `asd run` makes the sets (or `asd step poison`).
    """
    from asd.bench.sift import measure

    place = open_workspace(workspace)
    found = measure(place, datasets or [], attack or [], trials, lambda text: typer.echo(text, err=True))
    if as_json:
        print_json([asdict(one) | {"holds": one.holds} for one in found])
        return
    _show_sift(found)


def _show_sift(found: list[SiftedAttack]) -> None:
    from asd.bench.sift import ENOUGH, MOST

    typer.echo(f"poisoned: most in any class among its first {ENOUGH} seeds, then among all listed, by trial")
    head = f"{'planted':>8} {'of class':>8} {'seeds':>6} {'poisoned':>15} {'not passed':>10} {'s':>6}"
    typer.echo(f"{head}  attack")
    for one in found:
        numbers = " ".join(f"{trial.poisoned}/{trial.poisoned_listed}" for trial in one.trials)
        least, short = min(t.least for t in one.trials), max(t.not_passed for t in one.trials)
        verdict = "" if one.holds else f"  more than {MOST}, or fewer than {ENOUGH} seeds"
        typer.echo(
            f"{one.planted:8,} {one.share:8.0%} {least:6} {numbers:>15} {short:10} {one.seconds:6.0f}  "
            f"{one.dataset}/{one.attack}{verdict}"
        )
