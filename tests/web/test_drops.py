"""The page of drops in a browser: what arrived, why files were refused, how each drop fared."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe

from asd import store
from asd.drop_records import Decision, write_record
from tests.unit.test_drop_records import record
from tests.web.audited import CELL, LONG, SCRIPT, TURNED, build
from tests.web.conftest import serving

RUN = "/run/pets/badnets/asd/0"


def drops(layout):
    """Three drops; names, labels and notes of people who mean harm."""
    said = Decision("2026-11-23T00:00:00Z", "Ada", "readmit", "<b>looked</b>", SCRIPT)
    first = replace(record(1, 1), source="acme", reasons={"duplicate": 3, "broken-picture": 4}, quarantined=7)
    second = replace(
        record(2, 0, "held"),
        name=SCRIPT,
        source="beta",
        reasons={"unknown-label": 2, "duplicate": 1},
        held_because=(f"2 files are of classes that are not known: {SCRIPT}",),
        unknown_classes={TURNED: 1, LONG: 1},
        label_flips=5,
        decisions=(said,),
    )
    for one in (first, second, record(3, 2, "withdrawn")):
        write_record(layout, one)


def shares(layout):
    row = {"samples": 60, "in_pool": 45, "clean_share": 0.75, "suspects": 6}
    pools = store.read_json(layout.audit_pools(CELL))
    pools["drops"] = {
        "per_drop": [
            {"drop": 1, "source": "acme", **row},
            {"drop": 4, "source": "beta", **row, "suspects": 0},
        ],
        "per_source": [{"source": "acme", **row}],
    }
    store.write_json(layout.audit_pools(CELL), pools)
    metrics = store.read_json(layout.metrics(CELL))
    figures = {"acc_untrusted": 0.5, "interval": [0.3, 0.7], "n": 24}
    metrics |= {"per_drop": {"1": {"source": "acme", **figures}}, "per_source": {"acme": figures}}
    store.write_json(layout.metrics(CELL), metrics)


@pytest.fixture(scope="module")
def with_drops(tmp_path_factory):
    layout = build(tmp_path_factory.mktemp("drops") / "w")
    drops(layout)
    shares(layout)
    with serving(layout) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, with_drops, scheme):
    window = visit(with_drops, color_scheme=scheme)
    window.go("/drops")
    found = Axe().run(window.page).response["violations"]
    assert [(v["id"], v["help"]) for v in found if v["impact"] in ("serious", "critical")] == []
    assert window.complaints == []


def test_the_page_fits_a_phone_and_needs_no_scripts(visit, with_drops):
    window = visit(with_drops, viewport={"width": 390, "height": 844}, java_script_enabled=False)
    window.go("/drops")
    assert window.page.locator("h1").inner_text() == "Drops"
    assert window.page.evaluate("document.documentElement.scrollWidth") == 390


def test_each_drop_stands_with_its_counts_the_last_first(visit, with_drops):
    window = visit(with_drops)
    window.go("/")
    window.follow("nav >> text=Drops")
    rows = [
        row.inner_text().split("\t") for row in window.page.locator("table").first.locator("tbody tr").all()
    ]
    assert [(row[0], row[2], row[4], row[6], row[7]) for row in rows] == [
        ("3", "vendor", "withdrawn", "9", "1"),
        ("2", "beta", "held", "9", "1"),
        ("1", "acme", "accepted", "9", "7"),
    ]


def test_refused_files_are_counted_by_reason_over_all_drops(visit, with_drops):
    window = visit(with_drops)
    window.go("/drops")
    table = window.page.get_by_role("region", name="Quarantined by reason")
    rows = [row.inner_text().split("\t") for row in table.locator("tbody tr").all()]
    assert ["duplicate", "4", "2: 1, 1: 3"] in rows
    assert ["broken-picture", "4", "1: 4"] in rows
    assert ["unknown-label", "2", "2: 2"] in rows


def test_a_held_drop_says_why_and_what_people_decided(visit, with_drops):
    window = visit(with_drops)
    window.go("/drops")
    text = window.page.inner_text("main")
    assert "held because 2 files are of classes that are not known" in text
    assert "5 pictures came before, or almost, with another label" in text
    assert "Ada: readmit" in text
    assert "<b>looked</b>" in text
    assert window.page.title() == "Drops · asd audit"  # the script in a drop's name did not run
    assert "\u202e" not in text
    assert window.complaints == []


def test_clean_share_and_accuracy_stand_by_source_and_drop_and_lead_to_the_samples(visit, with_drops):
    window = visit(with_drops)
    window.go("/drops")
    table = window.page.get_by_role("region", name="pets/badnets/asd/0: by drop")
    rows = [row.inner_text().split("\t") for row in table.locator("tbody tr").all()]
    assert rows == [
        ["1, acme", "60", "45", "75.0%", "6", "50.0% untrusted", "24"],
        ["4, beta", "60", "45", "75.0%", "0", "–", "–"],
    ]
    window.follow("text=1, acme")
    assert window.page.url.startswith(f"{with_drops}{RUN}/samples?source=acme")


def test_without_drops_the_page_says_how_one_arrives(visit):
    window = visit()
    window.go("/drops")
    assert "No drop has arrived: asd drop add PATH" in window.page.inner_text("main")
