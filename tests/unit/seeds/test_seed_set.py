"""Seed sets: which samples are drawn, how they are ranked, and what the files tell."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from asd.errors import DataError, ParamsError
from asd.seeds import drawing, seed_set
from asd.types import SampleIndex


def make_index(labels, prefix="k"):
    labels = np.asarray(labels, dtype=np.int64)
    count = len(labels)
    return SampleIndex(
        keys=tuple(f"{prefix}{i:04d}" for i in range(count)),
        labels=labels,
        content=tuple(f"{prefix}-content-{i}" for i in range(count)),
        sources=tuple(f"{prefix}/{i}.png" for i in range(count)),
    )


INDEX = make_index(np.tile([0, 1, 2], 100))
ALL = np.ones(300, dtype=np.bool_)


def test_oracle_seeds_are_drawn_from_allowed_samples_with_their_labels():
    allowed = np.arange(300) % 2 == 0

    seeds = drawing.from_oracle(INDEX, allowed, random_seed=100, trial=0)

    row_of = {key: row for row, key in enumerate(INDEX.keys)}
    rows = [row_of[key] for key in seeds.keys]
    assert allowed[rows].all()
    assert seeds.labels.tolist() == INDEX.labels[rows].tolist()
    assert len(set(seeds.keys)) == len(seeds.keys)


def test_ranks_count_from_zero_in_every_class():
    seeds = drawing.from_oracle(INDEX, ALL, random_seed=100, trial=0)

    for label in range(3):
        assert seeds.ranks[seeds.labels == label].tolist() == list(range(50))


def test_another_trial_draws_other_seeds_and_the_same_trial_the_same():
    first, again, other = (
        drawing.from_oracle(INDEX, ALL, random_seed=100, trial=trial).first(10) for trial in (0, 0, 1)
    )

    assert first == again
    assert set(first) != set(other)


@pytest.mark.parametrize(("size", "wanted"), [(5000, 250), (5001, 251), (1000, 50), (90, 45), (12, 10)])
def test_an_oracle_list_holds_5_percent_at_least_50_but_not_more_than_half_or_10(size, wanted):
    assert drawing.list_limit(size) == wanted


def test_the_first_w_are_the_best_of_each_class_and_smaller_w_lie_inside_larger():
    seeds = drawing.from_oracle(INDEX, ALL, random_seed=100, trial=0)

    ten, twenty = seeds.first(10), seeds.first(20)

    assert (len(ten), len(twenty)) == (30, 60)
    assert set(ten) < set(twenty)


def test_more_seeds_than_the_list_holds_is_an_error():
    seeds = drawing.from_oracle(INDEX, ALL, random_seed=100, trial=0)

    with pytest.raises(
        ParamsError, match="51 seeds per class asked for, but the seed set lists the first 50"
    ):
        seeds.first(51)


def test_a_class_with_fewer_seeds_gives_all_it_has():
    seeds = drawing.from_keys(INDEX, ["k0000", "k0001", "k0003", "k0005"], "seeds/trusted.txt")

    assert seeds.first(10) == ("k0000", "k0003", "k0001", "k0005")


def test_a_class_without_a_seed_is_an_error_that_names_it():
    seeds = drawing.from_keys(INDEX, ["k0000"], "seeds/trusted.txt")

    with pytest.raises(DataError, match=r"no seed for classes 'dog', 'owl'; every class needs"):
        seeds.check_classes(("cat", "dog", "owl"))


def test_the_order_of_the_keys_file_is_the_rank():
    seeds = drawing.from_keys(INDEX, ["k0006", "k0003", "k0001"], "seeds/trusted.txt")

    assert list(zip(seeds.keys, seeds.labels, seeds.ranks, strict=True)) == [
        ("k0006", 0, 0),
        ("k0003", 0, 1),
        ("k0001", 1, 0),
    ]


def test_unknown_keys_are_named_with_the_nearest_known_one():
    keys = ["k0000", "k000l", "x1", "x2", "x3"]

    with pytest.raises(DataError, match=r"4 of 5 keys .*: 'k000l', 'x1', 'x2'; did you mean 'k\d+'"):
        drawing.from_keys(INDEX, keys, "seeds/trusted.txt")


def test_a_key_named_twice_is_an_error():
    with pytest.raises(DataError, match="names 'k0001' 2 times"):
        drawing.from_keys(INDEX, ["k0001", "k0000", "k0001"], "seeds/trusted.txt")


def test_a_keys_file_without_keys_is_an_error():
    with pytest.raises(DataError, match=r"seeds/trusted\.txt names no key"):
        drawing.from_keys(INDEX, [], "seeds/trusted.txt")


def test_a_keys_file_has_one_key_a_line_and_comments(tmp_path):
    path = tmp_path / "trusted.txt"
    path.write_text("# looked at by two people\nk0001\n\n  k0002  # the blue one\n")

    assert drawing.read_keys_file(path) == ["k0001", "k0002"]


def test_a_missing_keys_file_says_what_to_write(tmp_path):
    with pytest.raises(DataError, match=r"trusted\.txt; write the keys that you trust"):
        drawing.read_keys_file(tmp_path / "trusted.txt")


def test_seed_images_that_are_in_the_training_set_are_refused():
    outside = make_index([0, 1], prefix="seed_")
    content = (outside.content[0], INDEX.content[7])
    outside = SampleIndex(outside.keys, outside.labels, content, outside.sources)

    with pytest.raises(DataError, match=r"1 seed images .* such as seed_/1\.png \(it is k0007 there\)"):
        drawing.check_outside(outside, INDEX)


def test_equal_seed_images_are_refused():
    outside = make_index([0, 1], prefix="seed_")
    outside = SampleIndex(outside.keys, outside.labels, (outside.content[0],) * 2, outside.sources)

    with pytest.raises(DataError, match=r"seed_/0\.png and seed_/1\.png are the same picture"):
        drawing.check_outside(outside, INDEX)


def test_seeds_from_outside_are_all_used_and_ranked_by_the_draw():
    outside = make_index(np.tile([0, 1, 2], 20), prefix="seed_")

    seeds = drawing.from_outside(outside, random_seed=100, trial=0)
    other = drawing.from_outside(outside, random_seed=100, trial=1)

    assert sorted(seeds.keys) == sorted(outside.keys) == sorted(other.keys)
    assert seeds.keys != other.keys


def test_a_seed_set_survives_saving(tmp_path):
    seeds = drawing.from_oracle(INDEX, ALL, random_seed=100, trial=0)

    seed_set.write_seed_set(tmp_path, seeds, ("cat", "dog", "owl"))
    found = seed_set.read_seed_set(tmp_path)

    assert (found.origin, found.keys, found.limited) == ("oracle", seeds.keys, (0, 1, 2))
    assert found.labels.tolist() == seeds.labels.tolist()
    assert found.ranks.tolist() == seeds.ranks.tolist()
    assert found.extra is None


def test_the_files_tell_keys_labels_ranks_and_the_origin_and_nothing_else(tmp_path):
    seeds = drawing.from_oracle(INDEX, ALL, random_seed=100, trial=0)

    seed_set.write_seed_set(tmp_path, seeds, ("cat", "dog", "owl"))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["ranked.parquet", "seed_set.json"]
    assert pq.read_table(tmp_path / "ranked.parquet").column_names == ["key", "label", "rank"]
    assert json.loads((tmp_path / "seed_set.json").read_text()) == {
        "origin": "oracle",
        "note": "evaluation only: drawn with knowledge of what was planted",
        "counts": {"cat": 50, "dog": 50, "owl": 50},
        "limited": [0, 1, 2],
        "vouched_by": {},
    }


def test_who_vouches_is_kept_and_told_in_the_note(tmp_path):
    seeds = replace(drawing.from_keys(INDEX, ["k0000"], "x"), vouched_by={"Ada": 7, "Bob": 2})

    seed_set.write_seed_set(tmp_path, seeds, ("cat", "dog", "owl"))

    assert seed_set.read_seed_set(tmp_path).vouched_by == {"Ada": 7, "Bob": 2}
    note = json.loads((tmp_path / "seed_set.json").read_text())["note"]
    assert note == "keys that a person named as trusted; vouched for by Ada (7), Bob (2)"


def test_a_seed_set_of_unknown_origin_is_an_error(tmp_path):
    (tmp_path / "seed_set.json").write_text('{"origin": "dream"}')

    with pytest.raises(DataError, match="wanted origin oracle, keys, folder, transfer, sift, got 'dream'"):
        seed_set.read_seed_set(tmp_path)
