"""Stages of ASD and none on a tiny set: resume gives the bytes of an unbroken run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from asd import store
from asd.defenses import asd, none
from asd.errors import ParamsError
from asd.pools.history import read_history
from asd.training.context import StageContext
from asd.training.resume import Checkpoints, drop_finished
from asd.training.scoring import Scores
from asd.training.stage_run import StageRun
from asd.training.state import NOTHING, TrainingState, model_facts
from asd.training.weights import StartingWeights

MakeContext = Callable[..., StageContext]

ASD = asd.Params.model_validate(
    {
        "common": {"w": 2, "batch": 8, "iterations": 3, "last_epoch": 6},
        "stage1": {"end": 2, "n": 2, "t": 1},
        "stage2": {"end": 4},
        "stage3": {"meta": {"batch": 20, "layers": 3}},
    }
)
NONE = none.Params.model_validate({"stage1": {"epochs": 4, "batch": 16, "lr": 0.05}})
FILES = ("model.safetensors", "state.safetensors", "state.json", "history.parquet", "predictions.parquet")


class StoppedError(Exception):
    pass


def stage(
    context: StageContext,
    scratch: Path,
    out: Path,
    previous: Path | None,
    stop_after: int | None = None,
    asd_params: asd.Params = ASD,
) -> StageRun:
    """Run one stage of ASD (or of none, for stage 1 of `NONE`), perhaps broken off after some epochs."""
    module, params = (asd, asd_params) if out.name.startswith("asd") else (none, NONE)
    run = StageRun(
        context,
        Checkpoints(scratch, context.fingerprint),
        previous,
        lambda m: module.make_optimizer(m, params),
        asd.extras(params, None) if module is asd else NOTHING,
    )
    if stop_after is not None:
        original, left = run.checkpoints.save_timing, [stop_after]

        def save_timing(timing: dict[str, object]) -> None:
            original(timing)
            left[0] -= 1
            if left[0] == 0:
                raise StoppedError

        run.checkpoints.save_timing = save_timing  # type: ignore[method-assign]
    module.run_stage(run, params, context.stage)
    is_last = context.stage == 3 or module is none
    run.write(out, out.with_suffix(".timing.json"), run.final_scoring() if is_last else None)
    return run


def whole_run(make_context: MakeContext, scratch: Path, folder: Path) -> list[Path]:
    outs, previous = [], None
    for number in (1, 2, 3):
        out = folder / f"asd{number}"
        stage(make_context(stage=number, fingerprint=f"f{number}"), scratch, out, previous)
        outs.append(out)
        previous = out
    return outs


def assert_equal_bytes(first: Path, second: Path) -> None:
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_a_stage_broken_off_after_any_epoch_ends_byte_equal(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    outs = whole_run(make_context, scratch, tmp_path / "whole")
    for number in (1, 2, 3):
        previous = outs[number - 2] if number > 1 else None
        out = tmp_path / "broken" / f"asd{number}"
        with pytest.raises(StoppedError):
            stage(make_context(stage=number, fingerprint=f"b{number}"), scratch, out, previous, stop_after=1)
        assert not out.exists()
        stage(make_context(stage=number, fingerprint=f"b{number}"), scratch, out, previous)
        assert_equal_bytes(outs[number - 1], out)


def test_none_broken_off_ends_byte_equal(make_context: MakeContext, scratch: Path, tmp_path: Path) -> None:
    stage(make_context(), scratch, tmp_path / "none-whole", None)
    with pytest.raises(StoppedError):
        stage(make_context(fingerprint="b"), scratch, tmp_path / "none-broken", None, stop_after=2)
    stage(make_context(fingerprint="b"), scratch, tmp_path / "none-broken", None)
    assert_equal_bytes(tmp_path / "none-whole", tmp_path / "none-broken")


def test_a_checkpoint_of_another_fingerprint_is_never_resumed(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        stage(make_context(fingerprint="old"), scratch, tmp_path / "none-x", None, stop_after=2)
    run = StageRun(
        make_context(fingerprint="new"),
        Checkpoints(scratch, "new"),
        None,
        lambda m: none.make_optimizer(m, NONE),
    )
    assert run.state.next_epoch == 0


def test_the_history_follows_the_three_rules(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    outs = whole_run(make_context, scratch, tmp_path)
    rows = [row for out in outs for row in read_history(out / "history.parquet").epochs]
    assert [row.rule for row in rows] == [
        *["class-aware"] * 2,
        *["class-agnostic"] * 2,
        *["meta-split"] * 2,
        "final",
    ]
    assert [row.epoch for row in rows] == [0, 1, 2, 3, 4, 5, 6]
    assert [int(row.in_clean.sum()) for row in rows] == [6, 12, 30, 30, 30, 30, 30]
    seeds = make_context().seeds
    assert all(row.in_clean[seeds].all() for row in rows[:2])
    assert [row.virtual_loss is not None for row in rows] == [False] * 4 + [True] * 2 + [False]
    assert np.array_equal(rows[-1].in_clean, rows[-2].in_clean)


def test_a_finished_stage_that_dvc_has_not_recorded_is_not_trained_again(
    make_context: MakeContext, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage(make_context(), scratch, tmp_path / "none", None)
    run.checkpoints.finish("digits/badnets/none/0")
    drop_finished(scratch, "digits/badnets/none/0", keep="f")
    monkeypatch.setattr("asd.training.epochs.train_supervised", None)
    stage(make_context(), scratch, tmp_path / "none-again", None)
    assert_equal_bytes(tmp_path / "none", tmp_path / "none-again")


def test_the_next_step_of_the_cell_drops_the_checkpoint(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    run = stage(make_context(), scratch, tmp_path / "none", None)
    drop_finished(scratch, "digits/badnets/none/0", keep="other")
    assert run.checkpoints.exists  # not finished yet
    run.checkpoints.finish("digits/badnets/none/0")
    drop_finished(scratch, "digits/badnets/none/1", keep="other")
    assert run.checkpoints.exists  # of another cell
    drop_finished(scratch, "digits/badnets/none/0", keep="other")
    assert not [path for path in scratch.rglob("*") if path.is_file()]


def test_a_state_that_a_killed_writer_moved_aside_is_found(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        stage(make_context(), scratch, tmp_path / "none", None, stop_after=3)
    state = scratch / "f" / "state"
    (scratch / "f" / ".state.tmp-123").mkdir()
    state.rename(scratch / "f" / ".state.tmp-123-old")
    assert Checkpoints(scratch, "f").exists
    stage(make_context(), scratch, tmp_path / "none", None)
    stage(make_context(fingerprint="unbroken"), scratch, tmp_path / "none-unbroken", None)
    assert_equal_bytes(tmp_path / "none", tmp_path / "none-unbroken")


def test_the_optimizer_crosses_the_stages(make_context: MakeContext, scratch: Path, tmp_path: Path) -> None:
    outs = whole_run(make_context, scratch, tmp_path)
    run = StageRun(
        make_context(stage=3, fingerprint="again"),
        Checkpoints(scratch, "again"),
        outs[1],
        lambda m: asd.make_optimizer(m, ASD),
    )
    state: TrainingState = run.state
    steps = {float(memory["step"]) for memory in state.optimizer.state.values()}
    assert steps == {4 * 3.0}
    assert state.next_epoch == 4
    assert state.pool is not None
    assert state.pool.sum() == 30


def test_the_loss_over_views_is_their_mean(make_context: MakeContext, scratch: Path) -> None:
    run = StageRun(make_context(), Checkpoints(scratch, "f"), None, lambda m: none.make_optimizer(m, NONE))
    single = [run.score(run.state.model, 3, name).losses for name in ("x", "x-view-1", "x-view-2")]
    assert not np.array_equal(single[0], single[1])
    three = run.score(run.state.model, 3, "x", views=3)
    assert three.losses.dtype == np.float32
    assert three.losses == pytest.approx((single[0] + single[1] + single[2]) / 3)
    assert np.array_equal(run.score(run.state.model, 3, "x", views=1).losses, single[0])


def test_only_a_meta_split_averages_losses_over_snapshots_and_as_many_views(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    outs = whole_run(make_context, scratch, tmp_path)
    meta = ASD.stage3.meta.model_copy(update={"snapshots": 3, "every": 2})
    params = ASD.model_copy(update={"stage3": ASD.stage3.model_copy(update={"meta": meta})})
    context = make_context(stage=3, fingerprint="views")
    run = StageRun(context, Checkpoints(scratch, "views"), outs[1], lambda m: asd.make_optimizer(m, params))
    expected = run.score(run.state.model, 4, "main", views=3).losses
    taken: list[tuple[str, int]] = []
    virtual_losses: list[np.ndarray] = []
    plain = run.score

    def recorded(model: torch.nn.Module, epoch: int, purpose: str, views: int = 1) -> Scores:
        taken.append((f"{purpose} {epoch}", views))
        scores = plain(model, epoch, purpose, views)
        if purpose.startswith("virtual"):
            virtual_losses.append(scores.losses)
        return scores

    run.score = recorded  # type: ignore[method-assign]
    asd.run_stage(run, params, 3)
    snapshots = [(f"virtual-0-{number} 4", 1) for number in range(3)]
    assert taken == [("main 4", 3), *snapshots, ("main 5", 1)]
    assert np.array_equal(run.rows[0].loss, expected)
    assert run.rows[0].virtual_loss == pytest.approx(sum(virtual_losses) / 3, rel=1e-6)


def test_a_virtual_model_that_did_not_learn_leaves_the_pool_as_it_was(
    make_context: MakeContext, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outs = whole_run(make_context, scratch, tmp_path)
    meta = ASD.stage3.meta.model_copy(update={"least_fit": 1.0, "retries": 2})
    strict = ASD.model_copy(update={"stage3": ASD.stage3.model_copy(update={"meta": meta})})
    context = make_context(stage=3, fingerprint="strict")
    run = StageRun(context, Checkpoints(scratch, "strict"), outs[1], lambda m: asd.make_optimizer(m, strict))
    before = run.state.pool
    asd.run_stage(run, strict, 3)
    assert [row.rule for row in run.rows] == ["kept", "kept"]
    assert all(np.array_equal(row.in_clean, before) for row in run.rows)
    assert "did not learn in 3 tries" in run.rows[0].warnings[0]
    assert len(run.rows[0].notes["virtual"]) == 3
    assert len(run.state.warnings) == 2


def test_a_virtual_model_that_did_not_learn_leaves_no_pool_empty(
    make_context: MakeContext, scratch: Path
) -> None:
    """Transferred seeds (none is in the pool), and stage 3 from the first epoch on."""
    meta = ASD.stage3.meta.model_copy(update={"least_fit": 1.0, "retries": 0})
    only_third = asd.Params(
        common=ASD.common.model_copy(update={"last_epoch": 1}),
        stage1=ASD.stage1.model_copy(update={"end": 0}),
        stage2=ASD.stage2.model_copy(update={"end": 0}),
        stage3=ASD.stage3.model_copy(update={"meta": meta}),
    )
    context = make_context(stage=3)
    context = replace(context, seeds=np.zeros_like(context.seeds))
    run = StageRun(context, Checkpoints(scratch, "f"), None, lambda m: asd.make_optimizer(m, only_third))
    asd.run_stage(run, only_third, 3)
    (row,) = run.rows
    assert np.bincount(context.view.labels[row.in_clean]).tolist() == [2, 2, 2]  # n of stage 1
    assert "it was empty, so 2 samples a class are let in" in row.warnings[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"stage3": {"meta": {"layers": 5}}},
            r"^stage3\.meta\.layers: the network has 4 \(stem, layer1, layer2, head\), got 5$",
        ),
        (
            {"stage2": {"end": 4, "pools": {"class_floor": 11}}},
            r"^stage2\.pools\.class_floor 11 needs 33 places, but 0\.5 of 60 samples are 30$",
        ),
        (
            {"stage3": {"gamma": 0.9, "pools": {"class_floor": 30}}},
            r"^stage3\.pools\.class_floor 30 needs 60 places, but 0\.9 of 60 samples are 54$",
        ),
    ],
)
def test_what_does_not_fit_later_on_is_refused_in_stage_1(
    make_context: MakeContext, scratch: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    params = asd.Params.model_validate(ASD.model_dump() | change)
    with pytest.raises(ParamsError, match=message):
        stage(make_context(), scratch, tmp_path / "asd1", None, asd_params=params)
    assert not (tmp_path / "asd1").exists()


def test_the_numeric_mode_of_the_first_part_is_taken_again(
    make_context: MakeContext, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASD_THREADS", "2")
    numeric = {"device": "cpu", "threads": 1, "precision": "float32"}
    context = make_context(numeric=numeric)
    run = StageRun(context, Checkpoints(scratch, "n"), None, lambda m: none.make_optimizer(m, NONE))
    assert run.mode.threads == 1
    torch.set_num_threads(1)


def with_weights(context: StageContext, folder: Path, classes: int) -> StageContext:
    network = context.model.module.build(context.model.params, 1, classes, torch.Generator().manual_seed(7))
    store.write_tensors(folder / "mine.safetensors", network.state_dict())
    path = folder / "mine.safetensors"
    return replace(context, weights=StartingWeights(path, store.file_sha256(path)))


def test_a_run_starts_from_given_weights(make_context: MakeContext, scratch: Path, tmp_path: Path) -> None:
    context = with_weights(make_context(), tmp_path, 3)
    run = StageRun(context, Checkpoints(scratch, "f"), None, lambda m: asd.make_optimizer(m, ASD))
    given = store.read_tensors(tmp_path / "mine.safetensors")
    assert all(torch.equal(value, given[name]) for name, value in run.state.model.state_dict().items())


def test_what_a_run_started_from_is_recorded_and_handed_from_stage_to_stage(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    context = with_weights(make_context(), tmp_path, 9)
    stage(context, scratch, tmp_path / "asd1", None)
    digest = context.weights.sha256
    (tmp_path / "mine.safetensors").unlink()
    stage(make_context(stage=2, fingerprint="g"), scratch, tmp_path / "asd2", tmp_path / "asd1")
    for name in ("asd1", "asd2"):
        assert model_facts(tmp_path / name)["weights"] == {"sha256": digest, "head": "replaced"}
    assert str(tmp_path) not in json.dumps(model_facts(tmp_path / "asd1"))


def test_a_resumed_run_goes_on_from_its_checkpoint_and_not_from_the_given_weights(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    context = with_weights(make_context(), tmp_path, 3)
    stage(context, scratch / "a", tmp_path / "asd1", None)
    with pytest.raises(StoppedError):
        stage(context, scratch / "b", tmp_path / "asd_b", None, stop_after=1)
    stage(context, scratch / "b", tmp_path / "asd_b", None)
    assert_equal_bytes(tmp_path / "asd1", tmp_path / "asd_b")


def test_without_given_weights_nothing_is_said_of_them(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    stage(make_context(), scratch, tmp_path / "asd1", None)
    assert "weights" not in model_facts(tmp_path / "asd1")
