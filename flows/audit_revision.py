"""The flow `audit_revision`: the clean pool of any earlier revision, as a table."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.logging import get_run_logger

from asd.layout import Layout
from flows import _artifacts, _commands, _report, _run
from flows._markdown import fenced
from flows._run import ONCE


@flow(name="audit_revision", persist_result=False, validate_parameters=False)
def audit_revision(workspace: str, run: str) -> str:
    """Write the clean pool of a run to a CSV file and show what it came to.

    Args:
        workspace: its folder.
        run: CELL@previous, CELL@DATE or CELL@GITREV; CELL alone is the present one.

    Returns:
        The path of the CSV: one line for each sample of the pool.

    Raises:
        CommandError: no such run; the message names what there is.
    """
    root = Path(workspace).resolve()
    with _run.of_the_service():
        return str(clean_pool(root, run))


@task(name="clean pool", **ONCE)
def clean_pool(root: Path, run: str) -> Path:
    """The table of one run, in `.asd/pools`."""
    target = Layout(root).local / "pools" / f"{_report.slug(run)}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    _commands.checked(root, ["audit", "export", str(target), "--cell", run, "--in-pool", "--overwrite"])
    summary = _commands.checked(root, ["audit", "summary", run])
    text = f"The clean pool: `{target}`\n\n{fenced(summary.text.strip())}"
    _artifacts.markdown("clean-pool", text, f"The clean pool of {run}")
    get_run_logger().info("the clean pool of %s: %s", run, target)
    return target
