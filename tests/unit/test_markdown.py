"""Texts of strangers on Prefect's page."""

from flows._markdown import escaped, fenced


def test_a_line_shows_as_it_stands():
    assert escaped("![x](http://a/b)\n<b>") == r"\!\[x\](http://a/b) \<b\>"
    assert escaped("gates.least_acc holds: 0.9") == r"gates.least_acc holds: 0.9"


def test_no_text_ends_its_own_block():
    assert fenced("a") == "```\na\n```"
    assert fenced("a\n````\n[x](y)") == "`````\na\n````\n[x](y)\n`````"
