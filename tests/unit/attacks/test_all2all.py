"""All-to-all: the next label, everything counts, any trigger."""

import numpy as np
import pytest
import torch

from asd.attacks import Preparation, all2all, badnets
from asd.errors import ParamsError
from asd.params import check
from asd.progress import Reporter
from asd.shards.png import encode_png
from tests.unit.attacks.imported_sets import hash_of


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


def test_test_images_get_the_test_trigger(stamper, some_images, small_surrogate):
    """Of clb: the patch without the perturbation."""
    prepare = {"surrogate": small_surrogate | {"epochs": 1}}
    shape, images = (3, 16, 16), some_images((3, 16, 16))

    found = stamper("all2all", shape, prepare={"trigger": "clb", "params": prepare})(images, by="stamp_test")

    assert torch.equal(found, stamper("clb", shape, prepare=prepare)(images, by="stamp_test"))
    plain = stamper("all2all")
    assert torch.equal(plain(some_images(), by="stamp_test"), plain(some_images()))


def test_params_beside_those_of_prepare_do_not_matter_to_it(stamper, small_surrogate):
    """`adaptive_gradient` wants the same target label in both; here it is not the default."""
    prepare = {"target_label": 5, "iterations": 1, "surrogate": small_surrogate | {"epochs": 1}}
    found = stamper(
        "all2all",
        (3, 16, 16),
        trigger={"target_label": 5},
        prepare={"trigger": "adaptive_gradient", "params": prepare},
    )
    assert found.artifacts["delta"].shape == (3, 16, 16)


def test_a_trigger_that_fits_some_pictures_stamps_those(tmp_path, random_pictures):
    """Twins of `custom`: of the first five of forty pictures."""
    for folder in ("clean", "stamped"):
        (tmp_path / folder).mkdir()
        for row in range(5):
            picture = random_pictures.images[row].copy()
            picture[0, 0, 0] ^= folder == "stamped"
            (tmp_path / folder / f"{row}.png").write_bytes(encode_png(picture))
    twins = {
        "clean": "clean",
        "clean_sha256": hash_of(tmp_path / "clean"),
        "stamped": "stamped",
        "stamped_sha256": hash_of(tmp_path / "stamped"),
    }
    params = check(all2all.Params, {"prepare": {"trigger": "custom", "params": twins}}, "all2all")
    preparation = Preparation(5, Reporter("prepare", "x"), tmp_path / "scratch", tmp_path)

    artifacts = all2all.prepare(random_pictures, params.prepare, preparation)

    assert np.flatnonzero(all2all.can_stamp(random_pictures.index.content, artifacts)).tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert all2all.can_stamp(random_pictures.index.content, {}).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prepare": {"trigger": "badnetz"}}, r"unknown attack 'badnetz'; did you mean 'badnets'"),
        ({"prepare": {"trigger": "none"}}, r"'none' has no trigger"),
        ({"prepare": {"trigger": "imported"}}, r"'imported' has no trigger"),
        ({"prepare": {"trigger": "wanet"}, "trigger": {"decoy_fraction": 0.1}}, r"plants no decoys of wanet"),
        ({"trigger": {"sizes": 3}}, r"unknown key trigger \(badnets\).sizes"),
    ],
)
def test_a_wrong_trigger_is_refused(stamper, values, said):
    with pytest.raises(ParamsError, match=said):
        stamper("all2all", **values)


def test_badnets_alone_draws_from_outside_its_target_class():
    assert badnets.counts_for_asr(np.array([3, 4]), badnets.Params()).tolist() == [False, True]
