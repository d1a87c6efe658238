"""What attackers train goes on after a kill and ends with the same bytes."""

import pytest
import torch

from asd.attacks import Preparation
from asd.attacks import _training as training
from asd.errors import AsdError, ParamsError
from asd.params import check
from asd.progress import Reporter


@pytest.fixture
def surrogate(small_surrogate):
    return lambda **values: check(training.SurrogateParams, small_surrogate | values, "surrogate")


class KilledError(Exception):
    pass


def test_a_killed_training_goes_on_and_ends_alike(surrogate, random_pictures, tmp_path, monkeypatch, capsys):
    def preparation(name):
        return Preparation(5, Reporter("prepare", "x"), tmp_path / name, tmp_path)

    whole = training.train_surrogate(random_pictures, surrogate(epochs=3), preparation("whole"))

    from asd.training import epochs

    real, calls = epochs.train_supervised, []

    def killed_in_the_third(*args, **kwargs):
        calls.append(kwargs["epoch"])
        if len(calls) == 3:
            raise KilledError
        return real(*args, **kwargs)

    monkeypatch.setattr(epochs, "train_supervised", killed_in_the_third)
    with pytest.raises(KilledError):
        training.train_surrogate(random_pictures, surrogate(epochs=3), preparation("cut"))
    again = training.train_surrogate(random_pictures, surrogate(epochs=3), preparation("cut"))

    assert calls == [0, 1, 2, 2]
    assert "resumed after epoch 2" in capsys.readouterr().out
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_loaded_surrogate_is_frozen_and_gives_the_same_logits(surrogate, random_pictures, tmp_path):
    preparation = Preparation(5, Reporter("prepare", "x"), tmp_path / "s", tmp_path)
    tensors = training.train_surrogate(random_pictures, surrogate(epochs=1), preparation)

    network, normalisation, _ = training.load_surrogate(tensors, surrogate())

    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert network.head.out_features == 10
    assert len(normalisation.mean) == 3


def test_a_pad_wider_than_the_pictures_is_refused(surrogate, random_pictures, tmp_path):
    preparation = Preparation(5, Reporter("prepare", "x"), tmp_path / "s", tmp_path)

    with pytest.raises(ParamsError, match=r"augment.pad 16 with reflect needs larger images than 16x16"):
        training.train_surrogate(random_pictures, surrogate(augment={"pad": 16}), preparation)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_training_that_went_astray_is_refused_and_keeps_its_last_checkpoint(tmp_path, loss):
    preparation = Preparation(5, Reporter("prepare", "x"), tmp_path, tmp_path)
    network = torch.nn.Linear(1, 1)
    part = {"one": training.Trained(network, torch.optim.SGD(network.parameters(), lr=0.1))}

    with pytest.raises(AsdError, match=rf"mine: training broke off: loss of epoch 1 is {loss}; try a lower"):
        training.train_resumably(preparation, "mine", part, 3, lambda epoch: {"loss": loss if epoch else 1.0})

    seen = []
    training.train_resumably(preparation, "mine", part, 3, lambda epoch: seen.append(epoch) or {"loss": 1.0})
    assert seen == [1, 2]


def test_iab_refuses_a_pad_wider_than_the_pictures(stamper, small_surrogate):
    classifier = small_surrogate | {"augment": {"pad": 16}}
    with pytest.raises(ParamsError, match=r"prepare\.classifier\.augment\.pad 16 with reflect needs larger"):
        stamper("iab", (3, 16, 16), prepare={"classifier": classifier, "mask_epochs": 1})
