"""What a run ends with."""

from types import SimpleNamespace

import pytest

from asd import store
from asd.layout import Cell, Layout
from flows import _report

CELL = Cell("pets", "none", "asd", 0)


@pytest.mark.parametrize(("name", "said"), [("acc", False), ("acc_untrusted", True)])
def test_the_summary_says_why_a_figure_is_untrusted(tmp_path, monkeypatch, name, said):
    monkeypatch.setattr(_report, "load_workspace", lambda root: SimpleNamespace(layout=Layout(root)))
    store.write_json(Layout(tmp_path).metrics(CELL), {name: 0.75, "n_acc": 4})
    assert ("- acc_untrusted: nobody vouches" in _report.summary(tmp_path, [CELL], {})) is said
