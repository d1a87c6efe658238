"""What is trained beside the network: running averages of weights, and an engine's own module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from asd import store
from asd.defenses import asd
from asd.models import small_resnet
from asd.models._blocks import ImageClassifier
from asd.training.context import StageContext
from asd.training.resume import Checkpoints
from asd.training.stage_run import StageRun
from asd.training.state import Extras, TrainingState, fresh_state, load_state, save_state
from tests.unit.training.test_stage_run import ASD, StoppedError, assert_equal_bytes, stage

MakeContext = Callable[..., StageContext]


def with_engine(engine: str, ema: float | None) -> asd.Params:
    common = ASD.common.model_copy(update={"engine": engine, "ema": ema})
    return ASD.model_copy(update={"common": common})


BOTH = with_engine("remixmatch", 0.9)


def small_state(ema: float | None) -> TrainingState:
    params = small_resnet.Params(widths=(4, 8), strides=(1, 2))
    network = small_resnet.build(params, 1, 3, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(network.parameters())
    return fresh_state(network, optimizer, Extras(ema=ema), 3, torch.Generator())


def put(network: ImageClassifier, value: float) -> None:
    for tensor in network.state_dict().values():
        tensor.fill_(value)


def test_the_average_starts_with_the_first_step_and_takes_statistics_too() -> None:
    state = small_state(0.75)
    assert state.average is not None
    for value in (4.0, 8.0, 0.0):
        put(state.model, value)
        state.average.update_parameters(state.model)
    wanted = 0.75 * (0.75 * 4 + 0.25 * 8) + 0.25 * 0
    for name, tensor in state.evaluated.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, torch.full_like(tensor, wanted)), name
    assert "layer1.0.bn1.running_var" in state.evaluated.state_dict()


def test_without_an_average_the_trained_weights_are_evaluated() -> None:
    state = small_state(None)
    assert state.average is None
    assert state.evaluated is state.model


def test_the_model_file_has_the_average_and_the_state_file_what_is_trained(tmp_path: Path) -> None:
    state, read_back = small_state(0.5), small_state(0.5)
    put(state.model, 1.0)
    state.average.update_parameters(state.model)
    put(state.model, 3.0)
    save_state(tmp_path, state, {}, {})
    load_state(tmp_path, read_back)
    assert float(store.read_tensors(tmp_path / "model.safetensors")["head.bias"][0]) == 1.0
    assert read_back.model.head.bias[0].item() == 3.0
    assert read_back.evaluated.head.bias[0].item() == 1.0
    assert int(read_back.average.n_averaged) == 1


@pytest.mark.parametrize("number", [1, 3])
def test_a_stage_with_both_broken_off_ends_byte_equal(
    make_context: MakeContext, scratch: Path, tmp_path: Path, number: int
) -> None:
    previous = None
    for before in range(1, number):
        out = tmp_path / f"asd{before}"
        stage(make_context(stage=before, fingerprint=f"f{before}"), scratch, out, previous, asd_params=BOTH)
        previous = out
    whole, broken = tmp_path / "asd-whole", tmp_path / "asd-broken"
    stage(make_context(stage=number, fingerprint="whole"), scratch, whole, previous, asd_params=BOTH)
    context = make_context(stage=number, fingerprint="broken")
    with pytest.raises(StoppedError):
        stage(context, scratch, broken, previous, stop_after=2, asd_params=BOTH)
    stage(context, scratch, broken, previous, asd_params=BOTH)
    assert_equal_bytes(whole, broken)
    tensors = store.read_tensors(whole / "state.safetensors")
    steps = 3 * (2, 4, 6)[number - 1]
    assert int(tensors["auxiliary|batches"]) == steps
    assert int(tensors["averaged|count"]) == steps
    assert float(tensors["auxiliary.rotation.weight|step"]) == steps
    assert not torch.equal(tensors["trained|head.weight"], model(whole)["head.weight"])
    assert set(model(whole)) == {n.removeprefix("trained|") for n in tensors if n.startswith("trained|")}


def model(folder: Path) -> dict[str, torch.Tensor]:
    return store.read_tensors(folder / "model.safetensors")


def test_the_curves_and_the_last_scoring_are_of_the_average(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    run = stage(make_context(), scratch, tmp_path / "asd1", None, asd_params=with_engine("mixmatch", 0.97))
    recorded = run.records[-1].predicted
    network = small_resnet.build(
        small_resnet.Params(widths=(4, 8), strides=(1, 2)), 1, 3, torch.Generator()
    ).eval()
    network.load_state_dict(model(tmp_path / "asd1"))
    with torch.no_grad():
        wanted = network(run.probe.plain(np.arange(10))).argmax(1).numpy()
    assert np.array_equal(recorded, wanted)
    assert np.array_equal(run.final_scoring().loss, run.score(network, 2, "final").losses)
    assert not np.array_equal(run.final_scoring().loss, run.score(run.state.model, 2, "final").losses)


def test_an_average_changes_nothing_of_what_is_trained(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    stage(make_context(), scratch / "a", tmp_path / "asd-plain", None)
    stage(make_context(), scratch / "b", tmp_path / "asd-ema", None, asd_params=with_engine("mixmatch", 0.9))
    trained = store.read_tensors(tmp_path / "asd-ema" / "state.safetensors")
    for name, value in model(tmp_path / "asd-plain").items():
        assert torch.equal(value, trained[f"trained|{name}"]), name
    assert (tmp_path / "asd-plain" / "history.parquet").read_bytes() == (
        tmp_path / "asd-ema" / "history.parquet"
    ).read_bytes()


def test_a_checkpoint_without_an_average_is_refused_by_a_run_with_one(
    make_context: MakeContext, scratch: Path, tmp_path: Path
) -> None:
    stage(make_context(), scratch, tmp_path / "asd1", None)
    context = make_context(stage=2, fingerprint="g")
    with pytest.raises(Exception, match=r"state\.safetensors holds another network"):
        StageRun(
            context,
            Checkpoints(scratch, "g"),
            tmp_path / "asd1",
            lambda m: asd.make_optimizer(m, BOTH),
            asd.extras(BOTH, None),
        )
