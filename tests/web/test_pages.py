"""The pages in a browser: reading, filters, addresses, and names from people who mean harm."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.web.audited import HOSTILE_KEY, LONG, POISONED, key

RUN = "/run/pets/badnets/asd/0"
PAGES = {
    "runs": "/",
    "run": RUN,
    "unfinished run": "/run/pets/badnets/asd/2",
    "undefended run": "/run/pets/badnets/none/0",
    "gallery": RUN + "/samples",
    "sample": RUN + "/sample?key=train_0007",
    "missing picture": "/run/pets/gone/asd/0/sample?key=train_0007",
    "seeds": "/seeds/pets?label=1",
    "compare": "/compare?a=pets/badnets/asd/0&b=pets/badnets/asd/1",
    "login": "/login",
    "problem": "/run/no/such/run/0",
}
FILTERS = {
    "class=cat": 40,  # 30 and the ten that were planted
    "pool=no": 35,
    "q=0007": 1,
    "q=TRAIN_000": 10,
    "source=a.bin": 32,
    "role=poisoned": 10,
    "verdict=seed&verdict=suspect": 14,
    "q=nothing": 0,
}
NARROW = {"width": 390, "height": 844}


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_serious_on_any_page(visit, tokens, scheme):
    window = visit(color_scheme=scheme)
    window.sign_in(tokens["Ada"])
    found = {}
    for name, path in PAGES.items():
        window.go(path)
        bad = [
            v for v in Axe().run(window.page).response["violations"] if v["impact"] in ("serious", "critical")
        ]
        found |= {(name, v["id"], node["html"][:200]): v["help"] for v in bad for node in v["nodes"]}
    assert found == {}


def test_every_page_says_its_creed_fits_a_phone_and_asks_no_other_host(visit, address):
    window = visit(viewport=NARROW)
    for path in PAGES.values():
        window.go(path)
        assert "A verdict is evidence, not proof." in window.page.inner_text("body")
        assert (path, window.page.evaluate("document.documentElement.scrollWidth")) == (path, NARROW["width"])
    assert window.complaints == []
    assert [url for url in window.requests if not url.startswith(address + "/")] == []


def test_every_page_can_be_read_without_scripts(visit):
    window = visit(java_script_enabled=False)
    for path in PAGES.values():
        window.go(path)
        assert window.page.locator("h1").inner_text()


def test_the_list_of_runs_tells_who_is_done_and_who_works(visit):
    window = visit()
    window.go("/")
    rows = {row.locator("th").inner_text(): row for row in window.page.locator("tbody tr").all()}
    assert len(rows) == 12
    assert "done" in rows["pets/badnets/asd/0"].inner_text()
    assert "running stage2: epoch 5 of 6" in rows["pets/badnets/asd/2"].inner_text()
    assert "missing" in rows["pets/gone/none/0"].inner_text()
    assert "81.0%" in rows["pets/badnets/asd/0"].inner_text()


def test_a_run_shows_figures_charts_and_tables(visit):
    window = visit()
    window.go(RUN)
    text = window.page.inner_text("main")
    assert "accuracy, 77.0% to 84.0%, n 500" in text
    assert "gates.least_acc holds: acc of pets/badnets/asd/0 0.8100" in text
    assert "epoch 9: <b>cat</b> is starved" in text
    charts = window.page.locator("figure")
    titles = [chart.locator("h3").inner_text() for chart in charts.all()]
    assert [t.removesuffix(" truth") for t in titles] == [
        "Accuracy by epoch",
        "Attack success by epoch",
        "Growth of the clean pool",
        "Poison in the clean pool",
        "Purity of the clean pool",
        "Stage 1, epoch 3: class-aware",
        "Stage 2, epoch 5: class-agnostic",
        "Stage 3, epoch 9: meta-split",
        "Loss at the end",
    ]
    assert charts.locator("svg").count() == charts.locator("details table").count() == 9
    assert charts.locator(".cut-text").count() == 3
    charts.first.locator("summary").click()
    assert charts.first.locator("tbody tr").first.inner_text().split() == ["1", "50%"]


def test_truth_is_amber_and_one_switch_hides_all_of_it(visit):
    window = visit()
    window.go(RUN)
    assert window.page.locator("li.truth").count() == 2
    window.follow("text=Hide the truth")
    assert parse_qs(urlsplit(window.page.url).query) == {"truth": ["0"]}
    for path in ("", "/samples", "/sample?key=train_0007"):
        if path:
            joint = "&" if "?" in path else "?"
            window.go(f"{RUN}{path}{joint}truth=0")
        shown = window.page.inner_text("main").lower()
        assert "poisoned samples" not in shown
        assert "truth:" not in shown
        assert window.page.locator("main .truth, main .truth-band, main .truth-line").count() == 0
    window.follow("[data-up]")
    assert "truth=0" in window.page.url


def test_the_truth_of_a_sample_stands_in_a_band_of_its_own(visit):
    window = visit()
    window.go(RUN + "/sample?key=train_0007")
    band = window.page.locator(".truth-band")
    assert "known only because we planted it" in band.inner_text()
    assert "poisoned" in band.inner_text()
    colour = band.evaluate("e => getComputedStyle(e).backgroundColor")
    assert colour != window.page.locator(".card").first.evaluate("e => getComputedStyle(e).backgroundColor")


# -- gallery -----------------------------------------------------------------------------------


def test_a_run_shows_what_was_planted_beside_what_it_was(visit):
    window = visit()
    window.go(RUN)
    band = window.page.locator(".truth-band", has_text="What the attack does to a picture")
    assert band.locator("th[scope=row]").all_inner_texts() == ["clean", "poisoned", "difference"]
    assert band.locator("img").count() == 18
    band.scroll_into_view_if_needed()
    for image in band.locator("img").all():
        image.scroll_into_view_if_needed()
    window.page.wait_for_function(
        "[...document.querySelectorAll('.examples img')].every(i => i.complete && i.naturalWidth == 96)"
    )
    assert "given as cat" in band.inner_text()
    assert "PSNR" in band.inner_text()


def keys_shown(window):
    return window.page.locator(".shot .name.mono").all_inner_texts()


def test_filters_find_what_they_say_and_the_address_holds_them(visit):
    window = visit()
    window.go(RUN + "/samples")
    assert window.page.inner_text("#found") == "120 of 120"
    window.page.select_option("#verdict", "suspect")
    window.page.select_option("#sort", "key")
    window.page.select_option("#order", "up")
    window.follow("text=Show")
    assert keys_shown(window) == [key(row) for row in POISONED]
    there = window.page.url
    again = visit()
    again.page.goto(there)
    assert keys_shown(again) == keys_shown(window)
    assert again.page.input_value("#verdict") == "suspect"


def test_each_filter(visit):
    window = visit()
    found = {}
    for query in FILTERS:
        window.go(f"{RUN}/samples?{query}")
        found[query] = window.page.inner_text("#found")
    assert found == {query: f"{count} of 120" for query, count in FILTERS.items()}


def test_pages_turn_by_key_and_samples_open_by_key(visit):
    window = visit()
    window.go(RUN + "/samples?sort=key&order=up")
    first = keys_shown(window)
    assert len(first) == 48
    assert first[0] == "train_0000"
    window.page.keyboard.press("n")
    window.page.wait_for_url(re.compile("page=2"))
    assert keys_shown(window)[0] == "train_0048"
    window.page.keyboard.press("j")
    window.page.keyboard.press("j")
    window.page.keyboard.press("k")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url(re.compile("/sample[?]key=train_0048"))
    window.page.keyboard.press("j")
    window.page.wait_for_url(re.compile("key=train_0049"))
    window.page.keyboard.press("k")
    window.page.wait_for_url(re.compile("key=train_0048"))
    window.page.keyboard.press("k")
    window.page.wait_for_url(re.compile("key=train_0047"))
    window.page.keyboard.press("u")
    window.page.wait_for_url(re.compile("/samples[?]sort=key&order=up$"))


def test_keys_typed_into_a_field_are_text(visit):
    window = visit()
    window.go(RUN + "/samples?sort=key&order=up")
    window.page.keyboard.press("/")
    window.page.keyboard.type("nj")
    assert window.page.input_value("#q") == "nj"
    assert "page=" not in window.page.url


def test_thumbnails_are_the_pictures(visit):
    window = visit()
    window.go(RUN + "/samples?verdict=suspect")
    window.page.wait_for_load_state("networkidle")
    sizes = window.page.eval_on_selector_all(".shot img", "all => all.map(i => [i.complete, i.naturalWidth])")
    assert sizes == [[True, 96]] * 10


# -- a sample ----------------------------------------------------------------------------------


def test_a_sample_says_why_and_who_else_thinks_what(visit):
    window = visit()
    window.go(RUN + "/sample?key=train_0007")
    text = window.page.inner_text("main")
    for words in ("meta-split", "Spectral signature", "high is suspicious", "train_0007"):
        assert words in text
    assert window.page.locator(".near li").count() == 5
    assert [c.inner_text() for c in window.page.locator("figure h3").all()] == [
        "Loss",
        "Rank",
        "In the clean pool",
    ]
    assert window.page.locator("svg .border").count() == 9
    window.page.wait_for_load_state("networkidle")
    loaded = window.page.eval_on_selector_all("main img", "all => all.map(i => i.naturalWidth > 0)")
    assert loaded == [True] * 9


def test_a_sample_is_found_by_a_unique_part_or_not_at_all(visit):
    window = visit()
    status = {
        name: window.go(f"{RUN}/sample?key={name}").status for name in ("train_0007", "train_011", "nobody")
    }
    assert status == {"train_0007": 200, "train_011": 404, "nobody": 404}


def test_a_missing_picture_is_named_and_never_an_error(visit):
    window = visit()
    answer = window.go("/run/pets/gone/asd/0/sample?key=train_0007")
    assert answer.status == 200
    assert (
        "No picture: missing file data/poisoned/pets/gone/train/shard-000000.tar"
        in window.page.inner_text("main")
    )
    window.go("/run/pets/gone/asd/0/samples?verdict=suspect")
    window.page.wait_for_load_state("networkidle")
    assert window.page.locator("text=no picture: file is gone").count() == 10
    shown = window.page.eval_on_selector_all(".shot img", "all => all.map(i => i.naturalWidth)")
    assert shown == [96] * 10


# -- names that mean harm ----------------------------------------------------------------------


def test_names_of_strangers_stay_text(visit):
    window = visit()
    for path in (
        RUN,
        RUN + "/samples",
        RUN + "/sample?key=train_0005",
        "/seeds/pets?label=1",
        PAGES["compare"],
    ):
        window.go(path)
        assert "owned" not in window.page.title()
        body = window.page.inner_text("body")
        assert "\u202e" not in body
        assert "\x07" not in body
        assert LONG[:200] not in body
        assert window.complaints == []
    window.go("/seeds/pets?label=1")
    assert "<script>document.title='owned'</script>" in window.page.inner_text("main")


def test_a_hostile_key_leads_to_its_own_page_and_nowhere_else(visit):
    window = visit()
    window.go("/run/pets/badnets/asd/1/samples?q=etc/")
    assert window.page.inner_text("#found") == "1 of 120"
    window.follow(".shot a.picture")
    assert parse_qs(urlsplit(window.page.url).query)["key"] == [HOSTILE_KEY]
    assert "../../etc/<img src=x onerror=alert(1)>&\ufffd\"'" in window.page.inner_text("h1")
    assert "No picture" in window.page.inner_text("main")
    assert window.complaints == []


# -- a run at work, and how it looks -------------------------------------------------------------


def test_a_run_at_work_shows_what_is_there_and_renews_itself(visit):
    window = visit()
    window.go("/run/pets/badnets/asd/2")
    text = window.page.inner_text("main")
    assert "epoch 5 of 6, loss 1.25 <b>now</b>" in text
    assert "stage1 done" in text
    assert "stage2 not yet" in text
    assert window.page.locator("figure h3").inner_text() == "Growth of the clean pool"
    assert window.page.get_attribute("main", "data-renew") == "10"
    window.follow("text=Stop that")
    assert window.page.get_attribute("main", "data-renew") is None
    assert window.go("/run/pets/badnets/asd/2/samples").status == 404
    assert "not audited yet" in window.page.inner_text("main")


def test_a_run_at_work_renews_itself_without_scripts_too(visit):
    window = visit(java_script_enabled=False)
    window.go("/run/pets/badnets/asd/2")
    assert window.page.get_attribute("meta[http-equiv=refresh]", "content") == "10"


def test_dark_follows_the_machine_and_the_switch(visit):
    def background(window):
        return window.page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = visit(color_scheme="light"), visit(color_scheme="dark")
    light.go("/")
    dark.go("/")
    assert background(light) != background(dark)
    before = background(light)
    light.follow("text=Dark")
    assert background(light) == background(dark)
    light.go(RUN)
    assert background(light) == background(dark)
    light.follow("text=Light")
    assert background(light) == before


def test_two_runs_are_compared(visit):
    window = visit()
    window.go(PAGES["compare"])
    text = window.page.inner_text("main")
    assert "have the same verdict in both" in text
    assert "1 are new, 1 are gone" in text
    assert "None: every source of the later run is in the earlier one." in text
