"""Reviews and seeds in a browser, by button and by key, by two people at once."""

import re

import pytest

from asd.audit.reviews import read_reviews
from asd.seeds.rejecting import read_rejects
from asd.seeds.trusted import read_trusted

RUN = "/run/pets/badnets/asd/0"


@pytest.fixture
def clean_slate(layout):
    """Nothing said and nobody vouched for, before and after."""
    files = (layout.review_log, layout.exclusions, layout.trusted_seeds, layout.seed_rejects)
    for file in files:
        file.unlink(missing_ok=True)
    yield layout
    for file in files:
        file.unlink(missing_ok=True)


def test_who_is_not_signed_in_sees_no_buttons(visit):
    window = visit()
    for path in (RUN + "/sample?key=train_0007", "/seeds/pets"):
        window.go(path)
        assert window.page.locator("main button").count() == 0
        assert window.page.locator("main >> text=Sign in").count() == 1


def test_a_wrong_token_is_refused(visit):
    window = visit()
    window.sign_in("asd_wrong")
    assert "Nobody has this token" in window.page.inner_text("main")


def test_a_review_carries_the_name_of_the_token(visit, tokens, clean_slate):
    window = visit()
    window.sign_in(tokens["Ada"], back=RUN + "/sample?key=train_0007")
    window.page.fill("#note", "  a white corner  ")
    window.follow("text=Confirm poisoned")
    assert "Your review is in the log." in window.page.inner_text("main")
    (review,) = read_reviews(clean_slate.review_log)
    assert (review.by, review.verdict, review.key, review.note) == (
        "Ada",
        "poisoned",
        "train_0007",
        "a white corner",
    )
    assert (review.run, review.dataset, review.label) == ("pets/badnets/asd/0", "pets", "cat")
    assert "a white corner" in window.page.inner_text(".log")
    assert clean_slate.exclusions.is_file()


def test_a_review_by_key_needs_enter(visit, tokens, clean_slate):
    window = visit()
    window.sign_in(tokens["Ada"], back=RUN + "/sample?key=train_0005")
    window.page.keyboard.press("m")
    window.page.keyboard.type("cx fine")
    window.page.keyboard.press("Escape")
    window.page.keyboard.press("c")
    assert read_reviews(clean_slate.review_log) == []
    window.page.keyboard.press("Enter")
    window.page.wait_for_selector(".done")
    (review,) = read_reviews(clean_slate.review_log)
    assert (review.verdict, review.note) == ("clean", "cx fine")


def test_two_reviewers_at_once_lose_nothing(visit, tokens, clean_slate):
    ada, grace = visit(), visit()
    ada.sign_in(tokens["Ada"], back=RUN + "/sample?key=train_0007")
    grace.sign_in(tokens["Grace"], back=RUN + "/sample?key=train_0007")
    for window, verdict in ((ada, "poisoned"), (grace, "clean")):  # neither waits for the other
        window.page.evaluate(f"setTimeout(() => document.querySelector('button[value={verdict}]').click())")
    for window in (ada, grace):
        window.page.wait_for_selector(".done")
    said = {(review.by, review.verdict) for review in read_reviews(clean_slate.review_log)}
    assert said == {("Ada", "poisoned"), ("Grace", "clean")}
    ada.go(RUN + "/sample?key=train_0007")
    assert set(re.findall("(Ada|Grace)", ada.page.inner_text(".log"))) == {"Ada", "Grace"}


def test_a_session_ends_with_sign_out(visit, tokens):
    window = visit()
    window.sign_in(tokens["Ada"])
    window.follow("text=Sign out")
    assert window.page.locator("text=Sign in").count() == 1


# -- seeds -------------------------------------------------------------------------------------


def shown_key(window):
    return window.page.locator(".facts code").inner_text()


def test_seeds_by_key_accept_reject_relabel_withdraw(visit, tokens, clean_slate):
    window = visit()
    window.sign_in(tokens["Ada"], back="/seeds/pets")
    keys = []
    for press in ("a", "r", "l"):
        keys.append(shown_key(window))
        window.page.keyboard.press(press)
        if press == "l":
            window.page.keyboard.type("1")
            window.page.keyboard.press("Enter")
        window.page.wait_for_url(re.compile(f"key={keys[-1]}"))
    (seed,) = read_trusted(clean_slate.trusted_seeds)
    assert (seed.key, seed.label, seed.by) == (keys[0], "cat", "Ada")
    rejects = {line.key: line for line in read_rejects(clean_slate.seed_rejects)}
    assert set(rejects) == set(keys[1:])
    assert rejects[keys[1]].right_class == ""
    assert rejects[keys[2]].right_class.startswith("<script>")
    states = window.page.locator(".shot .facts-line span").all_inner_texts()
    assert states[:4] == ["accepted", "rejected", "rejected", "open"]
    assert "1 of 2" in window.page.locator("tbody tr", has_text="cat").first.inner_text()
    window.go("/seeds/pets?label=0&at=1")
    window.page.keyboard.press("w")
    window.page.wait_for_url(re.compile("done=withdrawn"))
    assert read_trusted(clean_slate.trusted_seeds) == ()


def test_candidates_turn_by_key_and_the_address_says_which(visit):
    window = visit()
    window.go("/seeds/pets?label=2&at=3")
    first = shown_key(window)
    window.page.keyboard.press("j")
    window.page.wait_for_url(re.compile("at=4"))
    assert shown_key(window) != first
    window.page.keyboard.press("k")
    window.page.wait_for_url(re.compile("at=3"))
    assert shown_key(window) == first


def test_a_seed_that_is_rejected_later_is_no_seed(visit, tokens, clean_slate):
    ada, grace = visit(), visit()
    ada.sign_in(tokens["Ada"], back="/seeds/pets?label=0")
    grace.sign_in(tokens["Grace"], back="/seeds/pets?label=0")
    ada.follow("button[value=accept]")
    grace.follow("button[value=reject]")
    assert read_trusted(clean_slate.trusted_seeds) == ()
    (line,) = read_rejects(clean_slate.seed_rejects)
    assert line.by == "Grace"
