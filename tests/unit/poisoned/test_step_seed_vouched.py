"""The step seed on seeds/trusted.csv: what people vouch for, against the data as it is now."""

import json
from dataclasses import replace

import pytest

from asd.errors import DataError
from asd.seeds.seed_set import read_seed_set
from asd.seeds.trusted import Vouched, read_trusted, write_trusted
from asd.shards.manifest import read_index
from asd.steps import StepItem, seed
from asd.truth import read_truth

UNPLANTED = StepItem("pets", "none", trial=0)


def vouched(pets, workspace, rows=range(24)):
    """Lines for some samples as fetched; sample i is of class i % 4."""
    index = read_index(workspace.layout.fetched("pets", "train"))
    return [
        Vouched(
            "pets",
            pets.classes[i % 4],
            index.keys[i],
            index.content[i],
            "Ada" if i < 20 else "Bob",
            "2026-01-31",
        )
        for i in rows
    ]


def planted(pets, root, item):
    return pets.planted(root, item=item, trusted=False, seeds={"use": "keys"})


@pytest.fixture
def workspace(pets, tmp_path):
    """Untrusted pets, nothing planted, six lines a class."""
    made = planted(pets, tmp_path, pets.no_attack)
    write_trusted(made.layout.trusted_seeds, vouched(pets, made))
    return made


def change(workspace, **changes):
    """Edit the first line of the file."""
    rows = list(read_trusted(workspace.layout.trusted_seeds))
    write_trusted(workspace.layout.trusted_seeds, [replace(rows[0], **changes), *rows[1:]])


def drawn(pets, workspace, item=UNPLANTED):
    said = pets.run(seed, workspace, item)
    return read_seed_set(workspace.layout.seed_set("pets", item.attack, item.trial)), said


def test_every_line_becomes_a_seed_with_its_label_and_who_vouches_is_on_record(pets, workspace):
    seeds, _ = drawn(pets, workspace)

    lines = {row.key: row.label for row in read_trusted(workspace.layout.trusted_seeds)}
    assert {k: pets.classes[label] for k, label in zip(seeds.keys, seeds.labels, strict=True)} == lines
    about = json.loads((workspace.layout.seed_set("pets", "none", 0) / "seed_set.json").read_text())
    assert about["origin"] == "keys"
    assert about["vouched_by"] == {"Ada": 20, "Bob": 4}
    assert about["counts"] == dict.fromkeys(pets.classes, 6)


def test_trials_rank_the_seeds_in_other_random_orders(pets, workspace):
    first, again = (drawn(pets, workspace)[0] for _ in range(2))
    other, _ = drawn(pets, workspace, StepItem("pets", "none", trial=1))

    assert first.keys == again.keys
    assert sorted(first.keys) == sorted(other.keys)
    assert set(first.first(2)) != set(other.first(2))


def test_a_new_line_of_one_class_leaves_the_ranks_of_the_others(pets, workspace):
    before, _ = drawn(pets, workspace)
    write_trusted(workspace.layout.trusted_seeds, vouched(pets, workspace, range(25)))
    after, _ = drawn(pets, workspace)

    assert after.keys[7:] == before.keys[6:]


def test_lines_of_another_data_set_do_not_count(pets, workspace):
    rows = read_trusted(workspace.layout.trusted_seeds)
    write_trusted(workspace.layout.trusted_seeds, [*rows, replace(rows[0], dataset="zoo", key="elsewhere")])

    assert len(drawn(pets, workspace)[0].keys) == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_sha256": "f" * 64}, "not the picture that was vouched for .*`asd seeds sheet`"),
        ({"key": "train_9999"}, "train_9999 of seeds/trusted.csv: no such sample in the data"),
        ({"label": "fox"}, "vouched for as 'fox' but labelled 'cat' in the data"),
    ],
)
def test_a_line_that_does_not_fit_the_data_stops_the_step_and_writes_nothing(
    pets, workspace, changes, message
):
    change(workspace, **changes)

    with pytest.raises(DataError, match=message):
        pets.run(seed, workspace, UNPLANTED)

    assert not workspace.layout.seed_set("pets", "none", 0).exists()


def test_a_class_without_a_line_names_the_next_command(pets, workspace):
    write_trusted(workspace.layout.trusted_seeds, vouched(pets, workspace, [0, 1, 2, 4]))

    with pytest.raises(
        DataError, match="no seed for class 'fox': look at `asd seeds sheet`, then `asd seeds add"
    ):
        pets.run(seed, workspace, UNPLANTED)


def test_no_file_names_the_command_that_starts_it(pets, workspace):
    workspace.layout.trusted_seeds.unlink()

    with pytest.raises(
        DataError, match=r"no seeds for pets in seeds/trusted\.csv yet: pick some with `asd seeds sheet`"
    ):
        pets.run(seed, workspace, UNPLANTED)


def test_what_a_planted_attack_changed_is_left_out_and_told(pets, tmp_path):
    workspace = planted(pets, tmp_path, pets.attack)
    poisoned = set(read_truth(workspace.layout.truth("pets", "badnets")).keys)
    write_trusted(workspace.layout.trusted_seeds, vouched(pets, workspace, range(200)))

    seeds, said = drawn(pets, workspace, pets.trial)

    assert len(seeds.keys) == 180
    assert not poisoned & set(seeds.keys)
    assert "20 of 200 seeds left out: badnets changed their pictures" in said


def test_a_class_whose_every_seed_was_changed_by_the_planted_attack_is_an_error(pets, tmp_path):
    workspace = planted(pets, tmp_path, pets.attack)
    lost = int(read_truth(workspace.layout.truth("pets", "badnets")).keys[0].removeprefix("train_"))
    rows = [lost, *(i for i in range(8) if i % 4 != lost % 4)]
    write_trusted(workspace.layout.trusted_seeds, vouched(pets, workspace, rows))

    with pytest.raises(DataError, match=f"changed every seed of class '{pets.classes[lost % 4]}'; add more"):
        pets.run(seed, workspace, pets.trial)
