"""Learning rates and stage ends as functions of the epoch."""

from __future__ import annotations

import pytest
import torch

from asd.defenses import asd, none
from asd.errors import ParamsError
from asd.params import check


def test_the_rate_is_constant_in_the_paper_and_falls_in_stage_3_where_asked() -> None:
    paper = asd.Params()
    assert {asd.learning_rate(paper, e, 0) for e in (0, 60, 119)} == {0.002}
    decayed = asd.Params.model_validate({"stage3": {"optimizer": {"final_decay": 0.02}}})
    assert asd.learning_rate(decayed, 89, 1023) == 0.002
    assert asd.learning_rate(decayed, 90, 0) == 0.002
    assert asd.learning_rate(decayed, 105, 0) == pytest.approx(0.002 * 0.51)
    assert asd.learning_rate(decayed, 119, 1023) == pytest.approx(0.002 * 0.02, rel=0.05)


def test_steps_divide_the_undefended_rate_by_ten() -> None:
    params = none.Stage1Params()
    rates = [none.learning_rate(params, e, 0, 391) for e in (0, 99, 100, 149, 150, 199)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_one_cycle_is_torchs_schedule_of_that_name() -> None:
    params = none.Stage1Params(epochs=3, lr=0.01, schedule="one_cycle")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=0.01)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=30)
    for done in range(30):
        ours = none.learning_rate(params, done // 10, done % 10, 10)
        assert ours == pytest.approx(theirs.get_last_lr()[0], rel=1e-6), done
        optimizer.step()
        if done < 29:
            theirs.step()


def test_stage_ends_out_of_order_are_named() -> None:
    with pytest.raises(ParamsError, match=r"stage ends must not fall: got stage1.end 60, stage2.end 30"):
        check(asd.Params, {"stage2": {"end": 30}}, "defenses.asd")


def test_empty_stages_are_allowed() -> None:
    params = check(asd.Params, {"stage1": {"end": 0}, "stage2": {"end": 0}, "common": {"last_epoch": 5}}, "x")
    assert [asd.stage_end(params, n) for n in (1, 2, 3)] == [0, 0, 5]


def test_a_misspelt_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(ParamsError, match=r"unknown key defenses.asd.stage3.gama; did you mean 'gamma'"):
        check(asd.Params, {"stage3": {"gama": 0.5}}, "defenses.asd")


def test_importing_a_defense_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, asd.defenses.asd, asd.defenses.none; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
