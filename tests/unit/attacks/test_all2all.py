"""All-to-all: the next label, everything counts, any trigger."""

import numpy as np
import pytest
import torch

from asd.attacks import all2all, badnets
from asd.errors import ParamsError


def test_every_class_wants_the_next_one():
    labels = np.array([0, 1, 8, 9])

    assert all2all.relabel(labels, all2all.Params(), 10).tolist() == [1, 2, 9, 0]
    assert all2all.counts_for_asr(labels, all2all.Params()).tolist() == [True] * 4


def test_the_trigger_is_that_of_the_attack_named(stamper, some_images):
    images = some_images()
    patch = {"patch": "white", "size": 3}

    found = stamper("all2all", trigger=patch)(images)

    assert torch.equal(found, stamper("badnets", **patch)(images))


def test_a_trigger_that_prepares_is_prepared(stamper, some_images):
    images = some_images()
    prepare = {"trigger": "wanet", "params": {"k": 6}}

    found = stamper("all2all", trigger={"s": 2.0}, prepare=prepare)

    assert found.artifacts["control"].shape == (1, 2, 6, 6)
    assert torch.equal(found(images), stamper("wanet", s=2.0, prepare={"k": 6})(images))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prepare": {"trigger": "badnetz"}}, r"unknown attack 'badnetz'; did you mean 'badnets'"),
        ({"prepare": {"trigger": "none"}}, r"'none' has no trigger"),
        ({"trigger": {"sizes": 3}}, r"unknown key trigger \(badnets\).sizes"),
    ],
)
def test_a_wrong_trigger_is_refused(stamper, values, said):
    with pytest.raises(ParamsError, match=said):
        stamper("all2all", **values)


def test_badnets_alone_draws_from_outside_its_target_class():
    assert badnets.counts_for_asr(np.array([3, 4]), badnets.Params()).tolist() == [False, True]
