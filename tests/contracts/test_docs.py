"""What docs/method.md names exists: files, functions in them, and params of the defense."""

import re
from pathlib import Path

from asd.defenses.asd import Params

ROOT = Path(__file__).parents[2]
METHOD = (ROOT / "docs" / "method.md").read_text()


def test_every_file_and_function_that_the_method_names_is_there():
    named = re.findall(r"`(asd/[\w/]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?", METHOD)
    assert len(named) > 15
    for file, functions in named:
        text = (ROOT / file).read_text()
        for function in re.findall(r"\w+", functions):
            assert re.search(rf"^(def|class) {function}\b", text, re.MULTILINE), f"{file} has no {function}"


def test_every_param_that_the_method_names_is_there():
    named = re.findall(r"`((?:common|stage[123])\.(?!engine_params)[\w.]+)`", METHOD)
    assert "stage3.optimizer.final_decay" in named
    for name in named:
        section = Params()
        for word in name.split("."):
            assert word in type(section).model_fields, f"no {name}"
            section = getattr(section, word)
