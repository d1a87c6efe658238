"""Who may ask the audit page for what: names, sessions, forms, sizes, paths and headers."""

import numpy as np
import pytest
import yaml
from starlette.testclient import TestClient

from asd import store
from asd.audit.reviews import read_reviews
from asd.audit.tokens import new_token, revoke
from asd.audit.web.app import create_app
from asd.audit.web.forms import local_path
from asd.audit.web.guard import MOST_BODY
from asd.audit.web.sessions import FAILURES, WINDOW, Failures, Sessions
from asd.audit.web.settings import Settings, is_loopback, names_for
from asd.errors import ParamsError
from asd.layout import Layout
from asd.seeds.trusted import read_trusted
from asd.shards.write import write_shards
from asd.types import Sample

HOME = "http://127.0.0.1:8765"
FORM = "application/x-www-form-urlencoded"
PAGES = ("/", "/seeds/pets", "/compare", "/login", "/static/audit.css", "/nowhere")


def picture(row):
    return np.full((1, 4, 4), row, np.uint8)


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    params = {
        "cells": {"datasets": ["pets"], "attacks": ["none"], "defenses": ["asd"]},
        "datasets": {"pets": {"use": "imagefolder"}},
        "attacks": {"none": {}},
        "defenses": {"asd": {"common": {"w": 1}}},
    }
    layout.params.write_text(yaml.safe_dump(params))
    layout.pipeline.write_text("stages: {}\n")
    with store.atomic_directory(layout.fetched("pets", "train")) as folder:
        samples = [Sample(f"s{row}", picture(row), row % 2, f"a/{row}.png") for row in range(6)]
        write_shards(
            folder,
            samples,
            name="pets",
            split="train",
            class_names=("cat", "dog"),
            image_shape=(1, 4, 4),
            trusted=False,
        )
    return layout


@pytest.fixture
def token(layout):
    return new_token(layout, "Ada")


def client(layout, **settings):
    return TestClient(
        create_app(Settings(layout, **settings)),
        base_url=HOME,
        follow_redirects=False,
        raise_server_exceptions=True,
    )


@pytest.fixture
def web(layout, token):
    return client(layout)


def sign_in(web, token):
    answer = web.post("/login", data={"token": token, "back": "/seeds/pets"}, headers={"Origin": HOME})
    assert (answer.status_code, answer.headers["location"]) == (303, "/seeds/pets")
    return answer


def csrf(web):
    page = web.get("/seeds/pets").text
    return page.split('name="csrf" value="')[1].split('"')[0]


def content(row):
    return Sample("x", picture(row), 0, "").content_sha256


def accept(web, row=0, **changes):
    fields = {"action": "accept", "key": f"s{row}", "content": content(row), "label": "0", "at": "1"}
    headers = changes.pop("headers", {"Origin": HOME})
    return web.post("/seeds/pets", data=fields | changes, headers=headers)


# -- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_headers(web, path):
    headers = web.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/app.py"])
def test_nothing_else_is_served(web, path):
    assert web.get(path).status_code == 404


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_inline_styles_or_scripts(web, path):
    text = web.get(path).text
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text
    assert " onclick" not in text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:8765", "", "localhost@evil.example", "[::1]evil", "10.0.0.7"],
)
def test_another_name_is_refused(web, host):
    assert web.get("/", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:9999", "LOCALHOST", "[::1]:8765", "localhost."]
)
def test_our_own_names_are_not(web, host):
    assert web.get("/", headers={"Host": host}).status_code == 200


# -- from other machines -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/seeds/pets", "/compare", "/run/pets/none/asd/0", "/nowhere"])
def test_others_see_no_page_without_a_token(layout, token, path):
    web = client(layout, open_to_read=False)
    answer = web.get(path + "?x=1")
    assert (answer.status_code, answer.text) == (303, "")
    assert answer.headers["location"].startswith("/login?back=/")
    assert web.post(path, headers={"Origin": HOME}).status_code == 401
    sign_in(web, token)
    assert web.get(path).status_code == (404 if path == "/nowhere" else 200)


def test_others_see_no_picture_without_a_token(layout, token):
    web = client(layout, open_to_read=False)
    path = f"/seeds/pets/picture/0/{content(0)}/thumb.png?key=s0"
    assert web.get(path).status_code == 303
    sign_in(web, token)
    answer = web.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", 1), ("::1", 1), ("localhost", 1), ("0.0.0.0", 0), ("10.0.0.7", 0), ("box", 0)],
)
def test_loopback(host, inside):
    assert is_loopback(host) is bool(inside)


def test_a_server_on_every_address_must_be_told_its_name():
    with pytest.raises(ParamsError, match="--name"):
        names_for("0.0.0.0", ())
    assert names_for("0.0.0.0", ["Audit.Example"]) == {"audit.example"}
    assert names_for("10.0.0.7", []) == {"10.0.0.7"}


# -- signing in --------------------------------------------------------------------------------


def test_the_cookie_is_not_the_token_and_scripts_cannot_read_it(web, token):
    cookie = sign_in(web, token).headers["set-cookie"]
    assert token not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie


def test_over_https_the_cookie_stays_there(layout, token):
    web = client(layout, secure=True)
    answer = web.post("/login", data={"token": token}, headers={"Origin": HOME})
    assert answer.headers["set-cookie"].startswith("__Host-asd-audit-8765=")
    assert "Secure" in answer.headers["set-cookie"]


def test_a_revoked_token_ends_its_sessions(web, layout, token):
    sign_in(web, token)
    assert accept(web, csrf=csrf(web)).status_code == 303
    secret = csrf(web)
    revoke(layout, "Ada")
    assert accept(web, 2, csrf=secret).status_code == 403
    assert web.get("/seeds/pets").text.count("Sign in") == 2


def test_a_session_ends_after_hours(layout, token):
    now = [0.0]
    sessions = Sessions(layout.audit_tokens, clock=lambda: now[0])
    cookie = sessions.sign_in(token)
    assert sessions.find(cookie).name == "Ada"
    now[0] = 13 * 3600
    assert sessions.find(cookie) is None
    assert sessions.find("guess") is None


def test_many_wrong_tokens_stop_the_guessing(web, token):
    def wrong(guess):
        return web.post("/login", data={"token": guess}, headers={"Origin": HOME}).status_code

    assert [wrong("asd_x") for _ in range(FAILURES)] == [403] * FAILURES
    answer = web.post("/login", data={"token": token}, headers={"Origin": HOME})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW


def test_failures_are_forgotten_after_a_while():
    now = [0.0]
    failures = Failures(clock=lambda: now[0])
    for _ in range(FAILURES):
        failures.note("10.0.0.7")
    assert failures.wait("10.0.0.7") == WINDOW + 1
    assert failures.wait("10.0.0.8") == 0
    now[0] = WINDOW
    assert failures.wait("10.0.0.7") == 0


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a\nb",
        "javascript:x",
        "",
        "/" + "x" * 5000,
    ],
)
def test_a_way_back_is_never_another_host(back):
    assert local_path(back) == "/"


def test_a_way_back_may_be_any_page_of_ours():
    assert local_path("/run/a/b/c/0/samples?q=%2F%2F&page=2") == "/run/a/b/c/0/samples?q=%2F%2F&page=2"


# -- writing -----------------------------------------------------------------------------------


def test_a_write_from_our_own_page_is_done(web, layout, token):
    sign_in(web, token)
    assert accept(web, csrf=csrf(web)).status_code == 303
    assert [(row.key, row.by) for row in read_trusted(layout.trusted_seeds)] == [("s0", "Ada")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": HOME, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_write_from_elsewhere_is_refused(web, layout, token, headers):
    sign_in(web, token)
    assert accept(web, csrf=csrf(web), headers=headers).status_code == 403
    assert not layout.trusted_seeds.exists()


def test_a_write_needs_a_session_and_the_form_of_that_session(web, layout, token):
    assert accept(web).status_code == 403
    sign_in(web, token)
    other = client(layout)
    sign_in(other, token)
    assert accept(web).status_code == 403
    assert accept(web, csrf="guess").status_code == 403
    assert accept(web, csrf=csrf(other)).status_code == 403
    assert not layout.trusted_seeds.exists()


def test_a_name_in_a_form_is_not_believed(web, layout, token):
    sign_in(web, token)
    accept(web, csrf=csrf(web), by="Mallory", name="Mallory")
    assert [row.by for row in read_trusted(layout.trusted_seeds)] == ["Ada"]


def test_a_form_about_another_picture_is_refused(web, layout, token):
    sign_in(web, token)
    assert accept(web, csrf=csrf(web), content=content(2)).status_code == 503
    assert accept(web, csrf=csrf(web), key="../../etc/passwd").status_code == 400
    assert not layout.trusted_seeds.exists()


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/json", b"{}"), ("multipart/form-data; boundary=x", b"--x--"), (FORM, b"a=1&a=2"),
     (FORM, b"a=%ff"),
     (FORM, b"&".join(b"f%d=1" % n for n in range(50)))],
)  # fmt: skip
def test_bodies_that_are_no_form_of_ours_are_refused(web, token, kind, body):
    sign_in(web, token)
    answer = web.post("/seeds/pets", content=body, headers={"Origin": HOME, "Content-Type": kind})
    assert answer.status_code == 400


def test_too_large_a_body_is_refused_with_and_without_a_length(web):
    headers = {"Origin": HOME, "Content-Type": FORM}
    assert web.post("/login", content=b"x" * (MOST_BODY + 1), headers=headers).status_code == 413
    parts = (b"x" * 1000 for _ in range(MOST_BODY // 1000 + 1))
    assert web.post("/login", content=parts, headers=headers).status_code == 413


def test_a_review_of_a_run_that_is_not_there_writes_nothing(web, layout, token):
    sign_in(web, token)
    answer = web.post(
        "/run/pets/none/asd/0/sample?key=s0",
        data={"csrf": csrf(web), "as": "clean"},
        headers={"Origin": HOME},
    )
    assert answer.status_code == 404
    assert read_reviews(layout.review_log) == []


# -- pictures ----------------------------------------------------------------------------------


def test_a_picture_may_be_kept_because_its_address_holds_its_hash(web):
    answer = web.get(f"/seeds/pets/picture/3/{content(3)}/whole.png?key=s3")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    [
        f"/seeds/pets/picture/3/{'0' * 64}/thumb.png?key=s3",
        "/seeds/pets/picture/3/{hash}/thumb.png?key=s4",
        "/seeds/pets/picture/99/{hash}/thumb.png?key=s3",
        "/seeds/pets/picture/3/{hash}/thumb.png?key=../../../etc/passwd",
        "/seeds/pets/picture/3/{hash}/thumb.png",
    ],
)
def test_any_other_address_gives_a_placeholder_that_is_not_kept(web, path):
    answer = web.get(path.replace("{hash}", content(3)))
    assert (answer.status_code, answer.headers["content-type"]) == (404, "image/png")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/seeds/nobody/picture/3/{hash}/thumb.png?key=s3",
        "/seeds/pets/picture/-1/{hash}/thumb.png?key=s3",
        "/seeds/pets/picture/3/{hash}/secret.png?key=s3",
        "/seeds/pets/picture/3/nohash/thumb.png?key=s3",
        "/seeds/..%2F..%2Fetc/picture/3/{hash}/thumb.png?key=s3",
    ],
)
def test_words_of_a_path_are_looked_up_and_never_opened(web, path):
    assert web.get(path.replace("{hash}", content(3))).status_code == 404


def test_a_shard_that_is_gone_gives_a_placeholder(web, layout):
    for shard in layout.fetched("pets", "train").glob("*.tar"):
        shard.unlink()
    assert web.get(f"/seeds/pets/picture/3/{content(3)}/thumb.png?key=s3").status_code == 404


# -- what is wrong in the workspace --------------------------------------------------------------


def test_broken_params_are_a_page_with_words(web, layout):
    layout.params.write_text("cells: [")
    assert web.get("/").status_code == 200
    answer = web.get("/seeds/pets")
    assert answer.status_code == 400
    assert str(layout.root) not in answer.text


def test_a_broken_review_log_is_said(web, layout):
    layout.reviews.mkdir()
    layout.review_log.write_text("nonsense\n")
    answer = web.get("/")
    assert answer.status_code == 503
    assert "reviews/log.jsonl line 1" in answer.text
