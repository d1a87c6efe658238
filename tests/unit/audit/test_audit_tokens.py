"""Reviewers' tokens: shown once, stored as salted hashes, of one person each."""

import json
import stat

import pytest

from asd.audit.tokens import new_token, read_reviewers, reviewer_of, revoke
from asd.errors import DataError, ParamsError
from asd.layout import Layout


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def test_a_token_belongs_to_its_name_and_is_not_in_the_file(layout):
    ada, grace = new_token(layout, "Ada"), new_token(layout, "Grace Hopper")
    assert reviewer_of(layout.audit_tokens, ada).name == "Ada"
    assert reviewer_of(layout.audit_tokens, grace).name == "Grace Hopper"
    assert reviewer_of(layout.audit_tokens, ada + "x") is None
    text = layout.audit_tokens.read_text()
    assert ada not in text
    assert ada.removeprefix("asd_") not in text


def test_only_the_owner_may_read_the_file(layout):
    new_token(layout, "Ada")
    revoke(layout, "Ada")
    assert stat.S_IMODE(layout.audit_tokens.stat().st_mode) == 0o600


def test_equal_tokens_would_have_different_hashes(layout):
    new_token(layout, "Ada")
    new_token(layout, "Bob")
    salts = [one.salt for one in read_reviewers(layout.audit_tokens)]
    assert len(set(salts)) == 2


def test_a_revoked_token_is_nobodys_and_the_name_is_free_again(layout):
    old = new_token(layout, "Ada")
    with pytest.raises(ParamsError, match="Ada"):
        new_token(layout, "Ada")
    revoke(layout, "Ada")
    assert reviewer_of(layout.audit_tokens, old) is None
    assert reviewer_of(layout.audit_tokens, new_token(layout, "Ada")).name == "Ada"


def test_nobody_is_revoked_twice(layout):
    new_token(layout, "Ada")
    with pytest.raises(ParamsError, match="did you mean 'Ada'"):
        revoke(layout, "Adda")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "=1+1", "x" * 81, "\x1b[31m"])
def test_names_that_cannot_stand_in_a_log_get_no_token(layout, name):
    with pytest.raises(ParamsError):
        new_token(layout, name)
    assert not layout.audit_tokens.exists()


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "{}", '{"format": "x", "reviewers": []}',
        json.dumps({"format": "asd-audit-tokens/1", "reviewers": [{"name": "Ada"}]}),
        json.dumps(
            {"format": "asd-audit-tokens/1",
             "reviewers": [{"name": "Ada", "made": "2026-01-01", "salt": "zz", "sha256": "00"}]}
        ),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(layout, text):
    layout.local.mkdir()
    layout.audit_tokens.write_text(text)
    with pytest.raises(DataError, match=r"audit-tokens\.json"):
        read_reviewers(layout.audit_tokens)
