import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from asd.audit import suspects
from asd.audit.histograms import BINS, histogram
from asd.audit.pictures import SIDE, picture_uri
from asd.audit.planted import PlantedPicture, PlantedPictures
from asd.audit.purity import pool_figures
from asd.audit.report import EXCLUDED_SHOWN, ReportInput, SeedNote, render_report, report_facts, safe_text
from asd.audit.verdict import judge
from asd.layout import Cell
from asd.metrics import WHY_UNTRUSTED
from asd.picture_change import difference, strength
from asd.pools.history import EpochRow, History
from asd.seeds.seed_set import NOTES
from asd.truth import PoisonTruth
from asd.types import Excluded, SampleIndex

HOSTILE = "<script>alert(1)</script>"
METRICS = {
    "trusted": True,
    "acc": 0.975,
    "acc_interval": [0.95, 0.99],
    "n_acc": 360,
    "asr": 0.0123,
    "asr_interval": [0.004, 0.03],
    "n_asr": 325,
    "asr_base": 0.003,
    "n_asr_base": 325,
    "asr_minus_base": 0.0093,
    "per_class_accuracy": {"cat": 0.9, "dog": 1.0},
}
NO_ATTACK = {**METRICS, **dict.fromkeys(k for k in METRICS if "asr" in k)}
TIMING = {
    "seconds": 12.25,
    "peak_bytes": 300 * 2**20,
    "device": "cpu",
    "threads": 2,
    "resumes": 1,
    "images_per_second": 1234.5,
}
HANDED_ON = {**dict.fromkeys(TIMING), "seconds": 0.0, "peak_bytes": 0, "resumes": 0}


def page(record, *, metrics=METRICS, epochs=4, timings=(TIMING,) * 3, defense="asd", facts=False, **change):
    n = len(record)
    curves = pa.table(
        {
            "epoch": pa.array(range(1, epochs + 1), pa.int32()),
            "acc": pa.array([0.5] * epochs, pa.float64()),
            "asr": pa.array([None if metrics["asr"] is None else 0.1] * epochs, pa.float64()),
            "n_acc": pa.array([20] * epochs, pa.int32()),
            "n_asr": pa.array([15] * epochs, pa.int32()),
        }
    )
    attack = "none" if metrics["asr"] is None else "badnets"
    given = ReportInput(
        cell=Cell("pets", attack, defense, 0),
        plugins={"dataset": "imagefolder", "attack": attack, "defense": defense},
        record=record,
        images=np.full((n, 3, 8, 8), 200, dtype=np.uint8),
        metrics=metrics,
        pools=pool_figures(record, judge(replace(record, truth=None))),
        curves=curves,
        timings=timings,
        seeds=SeedNote("oracle", "evaluation only: drawn with knowledge of what was planted", 1),
    )
    return (report_facts if facts else render_report)(replace(given, **change))


@pytest.fixture(scope="module")
def standard(make_record):
    """The page of a defended run; most tests read it, so it is drawn once."""
    return page(make_record())


class Tags(HTMLParser):
    """Collects tags, attributes and the text outside style sheets."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self._style = [], [], "", False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._style = tag == "style"

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.text += data + " "


def words(html):
    return " ".join(Tags(html).text.split())


def test_the_page_is_complete_in_itself(standard):
    found = Tags(standard)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(found.tags)
    for name, value in found.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("data:image/png;base64,")


def examples():
    """One poisoned picture of a class with a hostile name; its upper left pixel is 51 brighter."""
    clean = np.full((1, 3, 8, 8), 100, np.uint8)
    changed = clean.copy()
    changed[0, :, 0, 0] = 151
    one = PlantedPicture("k4", 4, "a" * 64, "b" * 64, HOSTILE, "cat")
    return PlantedPictures((one,), changed, clean, difference(clean, changed), strength(clean, changed))


def test_what_the_attack_does_stands_in_the_band_of_the_truth(make_record):
    html = page(make_record(), examples=examples())
    start = html.index("What the attack does to a picture")
    section = html[start : html.index("</section>", start)]
    assert section.index("truth-frame") < section.index("truth: known only because") < section.index("<img")
    assert section.count('<img src="data:image/png;base64,') == 3
    assert HOSTILE not in section
    text = words(section)
    assert "given as cat" in text
    assert "difference × 5.0" in text
    assert "PSNR 32.0 dB, SSIM" in text  # 10 log10(25 * 64) = 32.04
    assert "largest difference of those shown is 51 of 255" in text


def test_the_facts_name_the_pictures_and_hold_no_pixels(make_record):
    found = page(make_record(), examples=examples(), facts=True)["planted_pictures"]
    assert found["samples"][0]["key"] == "k4"
    assert (found["magnified"], found["largest_difference"], found["pictures"]) == (5.0, 51, 1)
    assert page(make_record(), facts=True)["planted_pictures"] is None


def test_without_planted_pictures_there_is_no_such_section(standard):
    assert "What the attack does to a picture" not in standard


def test_the_page_forbids_scripts_and_loads(standard):
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert ("content", policy) in Tags(standard).attributes


def test_a_style_reaches_nothing_outside(standard):
    assert not re.search(r"@import|url\((?!#)", standard)


def test_hostile_names_are_text_and_never_markup(make_record, six_histories):
    index = replace(
        make_record().index, sources=(HOSTILE,) * 6, keys=(f'k"{HOSTILE}', "k1", "k2", "k3", "k4", "k5")
    )
    first = replace(six_histories[0].epochs[0], warnings=(f"class {HOSTILE} is starved",))
    runs = [History((first,)), *six_histories[1:]]
    record = make_record(index=index, class_names=(HOSTILE, "dog"), runs=runs)
    html = page(record, metrics={**METRICS, "per_class_accuracy": {HOSTILE: 0.5, "dog": 1.0}})
    assert "<script" not in html
    assert "script" not in Tags(html).tags
    assert f"class {HOSTILE} is starved" in words(html)


def test_text_that_hides_or_reorders_is_made_visible():
    assert safe_text("a\u202eb\u200bc\x00d") == "a�b�c�d"
    assert safe_text("x" * 200) == "x" * 120 + "…"
    assert safe_text("Käse 猫") == "Käse 猫"


def test_the_same_run_gives_the_same_page(record):
    assert page(record) == page(record)


def test_ids_of_charts_are_unique_in_the_page(standard):
    ids = re.findall(r'\bid="([^"]+)"', standard)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", standard)) <= set(ids)


def test_the_result_is_told_with_counts_and_intervals(standard):
    text = words(standard)
    assert "97.5% 95.0% to 99.0% 360 1.2% 0.4% to 3.0% 325 0.3% +0.9 points 3 0 36.8" in text


def test_oracle_seeds_are_called_evaluation_only(standard):
    assert "1 trusted samples, origin oracle : evaluation only" in words(standard)


def test_sifted_seeds_are_not_called_trusted(make_record):
    text = words(page(make_record(), seeds=SeedNote("sift", NOTES["sift"], 1)))
    assert "1 samples, origin sift : experimental: chosen by a program" in text
    assert "nobody vouches for them, and the risk was accepted" in text


def test_there_are_figures_3_a_to_d_of_a_meta_split(standard):
    text = words(standard)
    for letter in "abcd":
        assert f"({letter}) Loss" in text


def test_warnings_are_shown_with_their_stage(standard):
    assert "stage 1 epoch 1: dog is starved" in words(standard)


def test_a_run_without_warnings_says_so(undefended_record):
    assert "None was raised." in words(page(undefended_record))


def test_the_undefended_page_says_what_it_cannot_show(undefended_record):
    html = page(undefended_record, defense="none", seeds=None, timings=(TIMING, HANDED_ON, HANDED_ON))
    text = words(html)
    for line in (
        "This defense takes no trusted samples.",
        "This defense keeps no clean pool per epoch: it trained on all of the 6 samples. 1 of them poisoned",
        "No meta-split is on record",
        "No pool per epoch is on record",
        "No sample was kept out of the final pool",
        "handed on, nothing trained",
    ):
        assert line in text


def test_a_page_without_probe_epochs_says_so(record):
    assert "No epoch has predictions on record." in words(page(record, epochs=0))


def test_with_nothing_known_no_truth_is_claimed(unknown_record):
    html = page(unknown_record, metrics=NO_ATTACK)
    text = words(html)
    assert "Nobody vouches for the labels" in text
    assert "attack success: no attack was planted" in text
    assert "truth:" not in text
    assert "AUROC" not in text


def test_on_untrusted_data_other_samples_are_unknown_and_not_clean(make_record):
    text = words(page(make_record(trusted=False)))
    assert "truth: unknown" in text
    assert "truth: not poisoned" not in text
    assert "the data may hold poison of others" in text


def test_the_truth_of_a_picture_stands_in_a_band_of_its_own(standard):
    assert '<p class="truth-strip bad">truth: poisoned, was cat</p>' in standard
    assert '<p class="truth-strip good">truth: not poisoned</p>' in standard


def test_missing_timing_is_a_dash_and_not_a_sum(record):
    text = words(page(record, timings=(TIMING, None, TIMING)))
    assert "2 not recorded" in text
    assert "sum –" in text


def big_record(make_record, n, classes=3):
    labels = np.arange(n) % classes
    loss = np.linspace(0, 9, n, dtype=np.float32)
    out = np.arange(n) % 2 == 0
    rows = [EpochRow(e, "meta-split", 0.1, loss, ~out, virtual_loss=loss / 2) for e in range(3)]
    final = EpochRow(3, "final", float("nan"), loss, ~out)
    keys = tuple(f"k{i:07d}" for i in range(n))
    return make_record(
        index=SampleIndex(keys, labels, ("",) * n, ("s",) * n),
        planted=PoisonTruth(keys[: n // 20], ("poisoned",) * (n // 20), np.zeros(n // 20, dtype=np.int64)),
        runs=[History(()), History(()), History((*rows, final))],
        class_names=tuple(f"class {c}" for c in range(classes)),
    )


def test_the_page_does_not_grow_with_the_number_of_samples(make_record):
    small, large = (len(page(big_record(make_record, n))) for n in (2_000, 50_000))
    assert large < 1.1 * small
    assert large < 1_000_000


def test_a_thousand_classes_fit_the_page(make_record):
    html = page(big_record(make_record, 5_000, classes=1_000))
    assert len(html) < 5_000_000
    assert "500 of 1000 classes are shown" in words(html)


# -- pieces --------------------------------------------------------------------------------


def test_the_most_suspicious_are_out_of_the_pool_and_fell_furthest(record):
    # Out: 1, 4, 5 with reductions 0.5, 7, 0.5; of the equal ones sample 1 has the higher final loss.
    assert suspects.most_suspicious(record).tolist() == [4, 1, 5]


def test_seeds_are_never_among_the_suspicious(make_record):
    assert suspects.most_suspicious(make_record(seeds=(4,))).tolist() == [1, 5]


def test_suspicion_does_not_depend_on_the_truth(record, unknown_record):
    assert suspects.most_suspicious(record).tolist() == suspects.most_suspicious(unknown_record).tolist()


def test_without_a_meta_split_suspicion_is_the_final_loss(make_record, six_histories):
    final = six_histories[2].epochs[1]
    runs = [*six_histories[:2], History((final,))]
    assert suspects.most_suspicious(make_record(runs=runs)).tolist() == [4, 1, 5]


def test_poisoned_samples_in_the_pool_are_found(make_record):
    planted = PoisonTruth(("k2", "k4"), ("poisoned",) * 2, np.array([0, 0]))
    assert suspects.poisoned_in_pool(make_record(planted=planted)).tolist() == [2]


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_a_small_picture_is_enlarged_pixel_by_pixel():
    image = np.zeros((3, 8, 8), dtype=np.uint8)
    image[:, 7, 7] = (255, 0, 9)
    shown = decoded(picture_uri(image))
    assert shown.shape == (96, 96, 3)
    assert (shown[84:, 84:] == (255, 0, 9)).all()
    assert not shown[:84].any()


def test_a_grey_picture_stays_grey():
    assert decoded(picture_uri(np.full((1, 28, 28), 7, dtype=np.uint8))).shape == (84, 84)


def test_a_large_picture_is_reduced():
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 255, (3, 300, 150), dtype=np.uint8)
    assert decoded(picture_uri(image)).shape == (SIDE, SIDE // 2, 3)


def test_a_histogram_counts_every_sample_once():
    values = np.array([0.0, 0.1, 5.0, 10.0], dtype=np.float32)
    found = histogram(values, {"all": np.ones(4, dtype=bool), "some": values > 4})
    assert (len(found.edges), found.edges[0], found.edges[-1]) == (BINS + 1, 0.0, 10.0)
    assert (sum(found.counts["all"]), sum(found.counts["some"])) == (4, 2)
    assert (found.counts["all"][0], found.counts["all"][20], found.counts["all"][-1]) == (2, 1, 1)


def test_a_histogram_of_equal_values_has_a_width():
    found = histogram(np.full(3, 2.0), {"all": np.ones(3, dtype=bool)})
    assert (found.edges[0], found.edges[-1], sum(found.counts["all"])) == (1.5, 2.5, 3)


def test_accuracy_on_labels_that_nobody_vouches_for_is_named_so_and_explained(record):
    untrusted = {
        **METRICS,
        "trusted": False,
        "acc": None,
        "acc_interval": None,
        "acc_untrusted": 0.875,
        "acc_untrusted_interval": [0.85, 0.9],
        "why_untrusted": WHY_UNTRUSTED,
        "per_class_accuracy": None,
        "per_class_acc_untrusted": {"cat": 0.123, "dog": 1.0},
    }
    text = page(record, metrics=untrusted)
    assert "87.5%" in text
    assert "85.0% to 90.0%" in text
    assert "acc_untrusted on 360 test images: nobody vouches" in text
    assert "12.3%" in text
    assert "<th>Accuracy</th>" not in text
    assert "Test accuracy" not in text


def test_pictures_left_out_on_a_persons_word_are_named(make_record):
    gone = [Excluded(f"train_{i}", "a.png", HOSTILE, "0" * 64) for i in range(EXCLUDED_SHOWN + 1)]
    said = words(page(make_record(), excluded=gone[:1]))
    assert (
        f"1 picture that people confirmed as poisoned ( reviews/exclusions.csv ): train_0 ({HOSTILE})" in said
    )
    assert "201 pictures" in (many := words(page(make_record(), excluded=gone)))
    assert "train_199" in many
    assert "train_200" not in many
    assert "confirmed as poisoned" not in words(page(make_record()))


def test_the_facts_are_those_of_the_page(make_record):
    record = make_record()
    given = page(record, facts=True)
    assert (given["cell"], given["samples"], given["metrics"]["acc"]) == ("pets/badnets/asd/0", 6, 0.975)
    assert given["pools"]["final"]["size"] == 3
    assert given["seconds"] == 3 * 12.25
    assert given["note"] == "A verdict is evidence, not proof."
    assert given["not_stopped"]
    assert given["most_suspicious"][0] == "k4"
