"""What the paper reports (Gao et al., CVPR 2023), in percent: accuracy and attack success on CIFAR-10.

Keys are the words of the section `reproduce` of `params.yaml`: target, variant, attack.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_DEFENSE, DEFAULT = "No defense", "Default"
TRANSFERRED, FIRST_MODEL = "Transfer-based ASD", "First model"


@dataclass(frozen=True)
class Reported:
    """A pair of the paper's tables; None where only the other is told.

    Attributes:
        acc, asr: percent.
    """

    acc: float | None
    asr: float | None


_ATTACKS = ("BadNets", "Blend", "WaNet", "CLB")


def _row(*pairs: tuple[float, float]) -> dict[str, Reported]:
    return {attack: Reported(*pair) for attack, pair in zip(_ATTACKS, pairs, strict=True)}


_TABLE_2_NONE = _row((94.9, 100), (94.1, 98.3), (93.6, 99.9), (94.4, 99.9))
_TABLE_2_ASD = _row((93.4, 1.2), (93.7, 1.6), (93.1, 1.7), (93.1, 0.9))

REPORTED: dict[str, dict[str, dict[str, Reported]]] = {
    "table4": {
        NO_DEFENSE: _TABLE_2_NONE,
        "MixMatch": _TABLE_2_ASD,
        "UDA": _row((92.6, 2.1), (91.9, 2.3), (92.5, 1.6), (92.1, 2.8)),
        "ReMixMatch": _row((91.6, 1.4), (91.5, 1.0), (91.9, 0), (91.1, 0.1)),
    },
    "table5": {
        NO_DEFENSE: _TABLE_2_NONE,
        "0 poisoned seeds": _TABLE_2_ASD,
        "1 poisoned seed": _row((94.1, 1.5), (93.6, 2.5), (93.6, 1.4), (93.5, 1.3)),
        "2 poisoned seeds": _row((93.6, 2.5), (93.5, 2.7), (93.7, 2.2), (91.3, 2.5)),
        "3 poisoned seeds": _row((93.6, 1.4), (93.5, 0.8), (93.4, 4.1), (93.7, 1.5)),
        "4 poisoned seeds": _row((93.5, 1.3), (93.1, 99.9), (93.5, 5.4), (93.2, 98.9)),
    },
    "table6": {
        NO_DEFENSE: _TABLE_2_NONE,
        FIRST_MODEL: _row((52.6, 8.9), (51.5, 10.2), (53.4, 9.3), (52.6, 9.5)),
        TRANSFERRED: _row((92.9, 2.4), (92.5, 2.6), (92.5, 3.5), (92.1, 2.8)),
    },
    "fig3": {},
    "fig4": {},
    # the bars are not given as numbers; the text says "about 80%" (20% poison rate)
    "fig6": {"Without stage 3": {attack: Reported(80.0, None) for attack in _ATTACKS}},
    "fig7": {},
}

SOURCES = {
    "table1": "Table 1: properties of defenses that split the data",
    "table4": "Table 4: other semi-supervised methods",
    "table5": "Table 5: poisoned samples among the seeds",
    "table6": "Table 6: seeds transferred from ImageNet",
    "fig2": "Figure 2: the pipeline",
    "fig3": "Figure 3: loss before and after the virtual model",
    "fig4": "Figure 4: accuracy of stages 1 and 2",
    "fig6": "Figure 6: without a stage",
    "fig7": "Figure 7: speed of the warm-up",
}
"""Target -> its title."""


def reported(target: str, variant: str, attack: str) -> Reported | None:
    """What the paper says of it; None if it says nothing."""
    return REPORTED[target].get(variant, {}).get(attack)
