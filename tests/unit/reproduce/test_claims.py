"""Claims hold, do not hold or stay open, by intervals; what was not run decides nothing."""

import pytest

from asd.layout import Cell
from asd.reproduce.claims import claims
from asd.reproduce.measured import Entry, Trial
from asd.reproduce.paper import NO_DEFENSE


def trial(number, acc, asr, *, base=0.05, state="done", stage_1=(0, 1500), first=None):
    metrics = {"acc": acc, "n_acc": 10_000, "asr": asr, "n_asr": 9_000, "asr_base": base}
    pools = {
        "final": {"poisoned": 1, "size": 7000},
        "stages": [{"poisoned": stage_1[0], "size": stage_1[1], "epoch": 9}],
        "meta_split": None if first is None else {"first": first},
    }
    return Trial(Cell("cifar10", "badnets", "asd", number), state, metrics, pools, 1.0, 10)


def entry(variant, *figures, attack="BadNets", **more):
    return Entry(variant, attack, tuple(trial(n, *pair, **more) for n, pair in enumerate(figures)))


def missing(variant, attack="BadNets"):
    cell = Cell("cifar10", "badnets", "asd", 0)
    return Entry(variant, attack, (Trial(cell, "missing", None, None, None),))


def verdicts(target, found):
    return {claim.text: claim.verdict for claim in claims(target, found)}


BARE = entry(NO_DEFENSE, (0.65, 1.0), (0.65, 1.0), (0.65, 1.0))


def test_an_engine_holds_where_attack_success_stays_near_its_base():
    found = verdicts("table4", [BARE, entry("MixMatch", (0.6, 0.06)), entry("UDA", (0.6, 0.5))])
    assert found == {"The split works with MixMatch": "holds", "The split works with UDA": "does not hold"}


def test_an_interval_over_the_border_decides_nothing():
    """5 points above base with 9,000 pictures: 0.4 points and more on both sides."""
    assert verdicts("table4", [BARE, entry("UDA", (0.6, 0.1))]) == {
        "The split works with UDA": "not decidable"
    }


def test_one_attack_that_succeeds_decides_even_if_another_was_not_run():
    found = [entry("UDA", (0.6, 0.9)), missing("UDA", "Blend")]
    assert verdicts("table4", found) == {"The split works with UDA": "does not hold"}
    (claim,) = claims("table4", found)
    assert "UDA, Blend: not run" in claim.because


def test_what_was_not_run_leaves_a_claim_open():
    found = [entry("UDA", (0.6, 0.05)), missing("UDA", "Blend")]
    assert verdicts("table4", found) == {"The split works with UDA": "not decidable"}


def test_an_attack_that_is_weak_without_a_defense_decides_nothing():
    weak = entry(NO_DEFENSE, (0.65, 0.08))
    (claim,) = claims("table4", [weak, entry("UDA", (0.6, 0.05))])
    assert claim.verdict == "not decidable"
    assert "the attack is weak here (+3.0 without a defense)" in claim.because


@pytest.mark.parametrize(("acc", "asr", "base"), [(0.1, 1.0, 1.0), (0.1, 0.0, 0.0), (0.149, 0.9, 0.1)])
def test_a_model_that_guesses_neither_holds_nor_breaks(acc, asr, base):
    """Always the target, never the target, and a tenth of a point below the border of 1.5 in 10."""
    found = [
        BARE,
        entry("UDA", (acc, asr), base=base),
        entry("Without stage 1", (0.6, 0.9), (acc, asr), base=base),
    ]
    (claim,) = claims("table4", found[:2])
    assert claim.verdict == "not decidable"
    assert f"the model is of no use (accuracy {100 * acc:.1f}, by guessing 10.0)" in claim.because
    assert verdicts("fig6", found)["Without stage 1 the defense breaks"] == "not decidable"


def test_a_poor_model_is_judged_all_the_same():
    (claim,) = claims("table4", [BARE, entry("UDA", (0.151, 0.9))])
    assert claim.verdict == "does not hold"


def test_figures_of_an_earlier_run_decide_nothing():
    stale = Entry("UDA", "BadNets", (trial(0, 0.6, 0.9, state="stale"),))
    assert verdicts("table4", [BARE, stale]) == {"The split works with UDA": "not decidable"}


def test_stages_are_compared_with_the_default_trial_by_trial():
    found = [
        BARE,
        entry("Default", (0.64, 0.05), (0.65, 0.06), (0.645, 0.05)),
        entry("Without stage 1", (0.6, 1.0), (0.6, 0.99), (0.6, 1.0)),
        entry("Without stage 2", (0.64, 0.05), (0.65, 0.05), (0.66, 0.05)),
        entry("Without stage 3", (0.60, 0.05), (0.61, 0.06), (0.605, 0.05)),
    ]
    assert verdicts("fig6", found) == {
        "All three stages together hold": "holds",
        "Without stage 1 the defense breaks": "holds",
        "Without stage 2 accuracy drops": "not decidable",
        "Without stage 2 attack success rises": "not decidable",
        "Without stage 3 accuracy drops": "holds",
    }


def test_a_warm_up_lets_poison_in_by_the_pool_of_stage_1():
    """40 of 1,500 against 4 of 1,500; and 5 against 4, which says nothing."""
    default = entry("Default", (0.64, 0.05), stage_1=(4, 1500))
    text = "A faster warm-up lets poison in"
    more = entry("Faster", (0.64, 0.05), stage_1=(40, 1500))
    as_many = entry("Faster", (0.64, 0.05), stage_1=(5, 1500))
    fewer = entry("Faster", (0.64, 0.05), stage_1=(4, 9000))
    assert verdicts("fig7", [default, more])[text] == "holds"
    assert verdicts("fig7", [default, as_many])[text] == "not decidable"
    assert (
        verdicts("fig7", [entry("Default", (0.64, 0.05), stage_1=(90, 1500)), fewer])[text] == "does not hold"
    )


def test_transferred_models_are_compared_with_those_that_they_started_from():
    found = [entry("First model", (0.4, 0.06)), entry("Transfer-based ASD", (0.6, 0.05))]
    assert set(verdicts("table6", found).values()) == {"holds"}
    found = [entry("First model", (0.6, 0.06)), entry("Transfer-based ASD", (0.4, 0.05))]
    assert verdicts("table6", found)["ASD is more accurate than the first model"] == "does not hold"


def test_poisoned_seeds_have_three_claims():
    found = [
        entry("1 poisoned seed", (0.6, 0.05)),
        entry("4 poisoned seeds", (0.6, 0.05)),
        entry("4 poisoned seeds", (0.6, 0.05), attack="Blend"),
    ]
    assert list(verdicts("table5", found).values()) == ["holds", "holds", "does not hold"]


def test_the_reduction_is_compared_with_the_loss_on_clean_hard_samples():
    first = {"auroc_loss": 0.4, "auroc_reduction": 0.97, "poisoned": 500, "hard": 1000}
    text = "The loss reduction tells poison from clean hard samples better than the loss does"
    assert verdicts("fig3", [entry("ASD", (0.6, 0.05), first=first)]) == {text: "holds"}
    assert verdicts("fig3", [entry("ASD", (0.6, 0.05))]) == {text: "not decidable"}


def test_some_of_the_trials_decide_nothing():
    part = Entry("UDA", "BadNets", (trial(0, 0.6, 0.05), *missing("UDA").trials))
    (claim,) = claims("table4", [BARE, part])
    assert claim.verdict == "not decidable"
    assert claim.because.endswith("; 1 of 2 trials)")


def test_a_difference_with_some_of_the_trials_decides_nothing():
    part = Entry("Without stage 3", "BadNets", (trial(0, 0.3, 0.05), *missing("").trials))
    found = verdicts("fig6", [BARE, entry("Default", (0.6, 0.05), (0.6, 0.05)), part])
    assert found["Without stage 3 accuracy drops"] == "not decidable"


def test_a_defense_holds_only_against_an_attack_that_is_known_to_work():
    """The undefended twin is among the cells and was not run: low success may be the attack's weakness."""
    bare = missing(NO_DEFENSE)
    (claim,) = claims("table4", [bare, entry("UDA", (0.6, 0.05))])
    assert claim.verdict == "not decidable"
    assert "without a defense: not run" in claim.because
    assert verdicts("table4", [bare, entry("UDA", (0.6, 0.9))]) == {
        "The split works with UDA": "does not hold"
    }


def test_a_claim_says_which_of_its_attacks_nothing_here_stands_for():
    found = verdicts("table5", [entry("4 poisoned seeds", (0.6, 0.05))])
    assert found["With 4, BadNets and WaNet still fail (WaNet: not among the cells)"] == "holds"
    found = verdicts("fig7", [entry("Default", (0.6, 0.05)), entry("Faster", (0.6, 0.9), attack="WaNet")])
    text = "A faster warm-up breaks the defense under WaNet and CLB (CLB: not among the cells)"
    assert found[text] == "holds"


def test_figures_that_are_not_known_decide_nothing():
    """No attack was planted: no attack success, no base rate, no AUROC."""
    none = {"auroc_loss": None, "auroc_reduction": None, "poisoned": 0, "hard": 0}
    found = [
        entry("Default", (None, None), base=None),
        entry("Without stage 2", (None, None), base=None),
    ]
    assert set(verdicts("fig6", found).values()) == {"not decidable"}
    assert set(verdicts("fig3", [entry("ASD", (0.6, 0.05), first=none)]).values()) == {"not decidable"}


def test_a_first_model_that_stands_alone_is_compared_with_nothing():
    found = [
        entry("First model", (0.4, 0.06)),
        entry("First model", (0.4, 0.06), attack="Blend"),
        entry("Transfer-based ASD", (0.6, 0.05), attack="Blend"),
    ]
    gains = claims("table6", found)[2]
    assert (gains.verdict, gains.because.count("Transfer-based")) == ("holds", 1)


def test_a_failed_run_is_called_so():
    failed = Entry("UDA", "BadNets", (trial(0, 0.6, 0.05, state="failed"),))
    assert claims("table4", [BARE, failed])[0].because.endswith("UDA, BadNets: failed")
