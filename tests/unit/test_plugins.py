"""`asd new`, `asd check` and what docs/extend.md says: skeletons work, broken promises are found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from asd import new_workspace
from asd.cli import main
from asd.errors import ParamsError
from asd.layout import Layout
from asd.plugin_checks import cell as checked_cell
from asd.plugin_checks import whole
from asd.plugin_skeletons import FOLDER_OF, create
from asd.registry import Registry

DOCS = Path(__file__).parents[2] / "docs" / "extend.md"
PAGE = DOCS.read_text()
WALK = PAGE[PAGE.index("## One attack, from start to finish") : PAGE.index("## A data set")]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
PLACE = re.compile(r"`(plugins/[^`]+)` by:\s*$")


def script():
    """The commands of the walk, with each file written where the text before it says."""
    lines, end = ["set -eu"], 0
    for block in BLOCK.finditer(WALK):
        kind, body = block.groups()
        if kind == "python":
            place = PLACE.search(WALK[end : block.start()])
            assert place, f"no file is named before: {body[:60]}"
            lines.append(f"cat > {place.group(1)} <<'END_OF_FILE'\n{body}END_OF_FILE")
        else:
            assert kind == "sh"
            lines.append(body)
        end = block.end()
    return "\n".join(lines) + "\n"


def problems(root, name, kind=None):
    return {
        one.name: one.problem for one in whole.promises(whole.find_subject(root, name, kind)) if one.problem
    }


def run_tests(root):
    """Run the tests in plugins/tests as their author would."""
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "plugins/tests"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stdout
    return done.stdout


def follow_the_page(root):
    """Write the files that the page has one write, over the skeleton that it starts with."""
    create(Layout(root), "attack", "stripes")
    files = script().split("cat > ")[1:]
    for text in files:
        place, _, body = text.partition(" <<'END_OF_FILE'\n")
        (root / place).write_text(body.partition("END_OF_FILE")[0])
    assert len(files) == 2


@pytest.mark.parametrize("kind", FOLDER_OF)
def test_a_skeleton_keeps_every_promise(workspace, kind):
    create(Layout(workspace), kind, "mine")
    assert problems(workspace, "mine") == {}


@pytest.mark.walk  # what docs/extend.md says; CI runs it
def test_the_tests_of_the_skeletons_and_of_the_page_pass(workspace):
    for kind in FOLDER_OF:
        create(Layout(workspace), kind, f"my_{kind}")
    follow_the_page(workspace)
    assert "62 passed" in run_tests(workspace)


BREAKS = {
    "leaves_its_input_alone": ("images.clone()", "images"),
    "gives_the_same_bytes_for_the_same_seed": (
        "return move_one",
        "import torch\n    stamped += torch.randint(0, 99, stamped.shape).byte()\n    return move_one",
    ),
    "changes_every_image": ("return move_one(images, stamped)", "return images.clone()"),
    "stamps_an_image_alike_in_any_batch": (
        "return move_one(images, stamped)",
        "stamped[:, :, 1, 1] += len(images)\n    stamped[:1] = 255 - stamped[:1]\n    return stamped",
    ),
    "stamps_or_refuses_3x9x14": (
        "return move_one(images, stamped)",
        "return move_one(images, stamped)[:, :, 1:]",
    ),
    "stamps_or_refuses_3x1x1": ('"a frame must leave', 'images / 0, "a frame must leave'),
    "params_have_what_planting_reads": ("prepare: NothingToPrepare = NothingToPrepare()", "prepare: int = 3"),
    "counts_images_that_show_success": ("outside_target as counts", "to_target as counts"),
    "is_an_attack": ("changes_labels = True", "changes_labels = 1"),
    "can_be_imported": ("def stamp(", "def stamp(("),
}


@pytest.mark.parametrize("promise", BREAKS)
def test_a_broken_promise_is_found(workspace, promise):
    file = create(Layout(workspace), "attack", "mine").plugin
    right, wrong = BREAKS[promise]
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    assert promise in problems(workspace, "mine")


@pytest.mark.parametrize(
    "instead",
    [
        # drawn for each image by its place
        "stamped[:, :, 1, 1] = torch.randint(0, 256, (len(images), 1), generator=rng).byte()",
        # drawn once a call, so another pattern in each batch of planting
        "stamped[:, :, 1, 1] = int(torch.randint(0, 256, (), generator=rng))",
        # of the picture before it
        "stamped[:, :, 1, 1] = images.roll(1, 0)[:, :, 1, 1]",
        # none are not stamped
        "assert len(images)",
    ],
)
def test_what_hangs_on_the_batch_is_found(workspace, instead):
    file = create(Layout(workspace), "attack", "mine").plugin
    end = "return move_one(images, stamped)"
    assert end in file.read_text()
    file.write_text(file.read_text().replace(end, f"import torch\n    {instead}\n    {end}"))
    assert list(problems(workspace, "mine")) == ["stamps_an_image_alike_in_any_batch"]


def test_numbers_drawn_by_the_key_keep_every_promise(workspace):
    file = create(Layout(workspace), "attack", "mine").plugin
    end = "return move_one(images, stamped)"
    drawn = "[int(torch.randint(0, 256, (), generator=own)) for own in generators_of(rng, keys)]"
    lines = [
        "import torch",
        "from asd.rng import generators_of",
        f"drawn = torch.tensor({drawn}).byte()",
        "stamped[:, :, 1, 1] = drawn[:, None]",
        end,
    ]
    file.write_text(file.read_text().replace(end, "\n    ".join(lines)))
    assert problems(workspace, "mine") == {}


def test_a_picture_that_looks_stamped_already_must_change_too(workspace):
    file = create(Layout(workspace), "attack", "mine").plugin
    file.write_text(file.read_text().replace("return move_one(images, stamped)", "return stamped"))
    assert problems(workspace, "mine") == {"changes_every_image": "stamp left 1 of 9 images as they were"}


@pytest.mark.parametrize("code", ["0", "'all is well'"])
def test_a_plugin_that_ends_the_process_is_found(workspace, monkeypatch, capsys, code):
    monkeypatch.chdir(workspace)
    file = create(Layout(workspace), "attack", "mine").plugin
    text = file.read_text()
    file.write_text(f"{text}\nimport sys\n\nsys.exit({code})\n")
    assert main(["check", "mine"]) == 4
    said = capsys.readouterr()
    assert f"mine.py: ends the process with sys.exit({code}) at import" in said.out
    assert said.err.splitlines() == ["asd: attack mine: 1 of 1 checks failed"]
    with pytest.raises(ParamsError, match="ends the process"):  # the second time as well
        Registry("attacks", Layout(workspace).plugins).get("mine")

    file.write_text(text.replace("return move_one", f"raise SystemExit({code})\n    return move_one"))
    assert main(["check", "mine"]) == 4
    assert "SystemExit: " in capsys.readouterr().out


def test_a_defense_that_reaches_the_truth_is_found(workspace):
    file = create(Layout(workspace), "defense", "mine").plugin
    right = "    from torch.nn import functional\n"
    file.write_text(file.read_text().replace(right, right + "    import asd.steps.audit\n"))
    found = problems(workspace, "mine")
    assert "asd.truth" in found["never_sees_the_truth"]


def test_a_plugin_that_imports_torch_at_once_is_found(workspace):
    file = create(Layout(workspace), "attack", "mine").plugin
    file.write_text(file.read_text().replace("if TYPE_CHECKING:", "if True:"))
    (found,) = whole.imports(whole.find_subject(workspace, "mine"))
    assert "import it inside functions" in found.problem


def test_asd_check_prints_a_verdict_for_each_promise_and_ends_with_four(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    file = create(Layout(workspace), "attack", "mine").plugin
    file.write_text(file.read_text().replace("images.clone()", "images"))
    assert main(["check", "mine"]) == 4
    said = capsys.readouterr()
    assert "FAILS  Stamping leaves the images" in said.out
    assert "ok     Wanted labels" in said.out
    assert "stamp changed its input" in said.out
    assert "small cell" not in said.out
    assert "asd: attack mine: " in said.err


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Mine", "bad name 'Mine'"),
        ("_mine", "bad name '_mine'"),
        ("../mine", "bad name"),
        ("badnets", "there is a plug-in attacks/badnets already"),
    ],
)
def test_names_that_cannot_be_are_refused(workspace, name, problem):
    with pytest.raises(ParamsError, match=problem):
        create(Layout(workspace), "attack", name)
    assert not (workspace / "plugins").exists()


def test_nothing_is_written_over(workspace):
    layout = Layout(workspace)
    made = create(layout, "attack", "mine")
    made.plugin.unlink()
    made.test.write_text("mine")
    with pytest.raises(ParamsError, match="is there already"):
        create(layout, "attack", "mine")
    assert made.test.read_text() == "mine"
    assert not made.plugin.exists()


def test_a_name_of_two_kinds_needs_the_kind(workspace):
    with pytest.raises(ParamsError, match="none is the name of attack and defense; say --kind attack"):
        whole.find_subject(workspace, "none")
    assert whole.find_subject(workspace, "none", "defense").kind == "defense"


def test_a_variant_is_checked_with_its_own_params(workspace):
    assert whole.find_subject(workspace, "badnets", "attack").section["patch"] == "white"
    with pytest.raises(ParamsError, match="no plug-in 'badnet'; did you mean 'badnets'"):
        whole.find_subject(workspace, "badnet")


def test_what_the_page_on_plugins_writes_keeps_every_promise(workspace):
    """The quick part of `test_the_page_on_plugins_runs_as_it_stands`, which CI runs too."""
    follow_the_page(workspace)
    assert problems(workspace, "stripes") == {}


def test_a_cell_check_links_what_lies_in_the_workspace_and_nothing_of_the_pipeline(tmp_path):
    """A file that every new workspace has is there already in the one that the check makes."""
    workspace = new_workspace.create(tmp_path / "mine", "digits").root
    (workspace / "reflections").mkdir()
    section = {"use": "badnets", "poison_fraction": 0.05}
    root, cell = checked_cell._workspace(tmp_path / "c", "attack", "mine", section, Layout(workspace))
    assert [p.name for p in root.iterdir() if p.is_symlink()] == ["reflections"]
    assert str(cell) == "digits/mine/none/0"


@pytest.mark.walk
@pytest.mark.timeout(1200)
def test_the_page_on_plugins_runs_as_it_stands(tmp_path):
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "ASD_THREADS": "1", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attack stripes: all 16 checks hold" in done.stdout
    assert (tmp_path / "trial" / "stripes.png").read_bytes().startswith(b"\x89PNG")
    assert "digits/stripes/none/0" in done.stdout
