"""A poisoned set made elsewhere: its roles find their samples, or it is said why not."""

import numpy as np
import pytest

from asd import given, store
from asd.attacks import imported
from asd.errors import DataError, ParamsError
from asd.params import check
from asd.truth import read_truth, write_truth
from asd.types import Excluded, LeftOut, content_sha256
from tests.unit.attacks.imported_sets import as_rows, match, plain_truth, write_folder, write_parquet


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_the_truth_is_what_the_file_says_in_whatever_order(
    random_pictures, rows, told, fetched, tmp_path, form
):
    shuffled = [rows[row] for row in np.random.default_rng(0).permutation(40)]
    if form == "parquet":
        file = write_parquet(tmp_path, shuffled)
    else:
        file = write_folder(tmp_path, shuffled, form=form)

    truth = match(told(file), fetched()).truth

    assert as_rows(truth) == plain_truth(random_pictures)
    write_truth(tmp_path / "t.parquet", truth)
    assert as_rows(read_truth(tmp_path / "t.parquet")) == as_rows(truth)


def test_columns_and_words_for_roles_can_be_mapped_and_zero_and_one_are_roles(
    rows, told, fetched, tmp_path, random_pictures
):
    codes = {"clean": 0, "poisoned": 1, "decoy": 7}
    others = [
        {"x": r["image"], "y": r["label"], "was": r["original_label"], "bd": codes[r["role"]]} for r in rows
    ]
    names = {"image": "x", "label": "y", "original_label": "was", "role": "bd"}

    made = told(write_parquet(tmp_path, others), columns=names, role_values={7: "decoy"})

    assert as_rows(match(made, fetched()).truth) == plain_truth(random_pictures)


def test_a_boolean_role_and_a_cover_are_understood_and_pictures_may_be_hashes(
    rows, told, fetched, tmp_path, random_pictures
):
    words = {"clean": False, "poisoned": True}
    file = write_parquet(
        tmp_path, [{**row, "role": words.get(row["role"], False)} for row in rows if row["role"] != "decoy"]
    )
    kept = [row for row in range(40) if row % 4 != 2]
    wanted = [line for line in plain_truth(random_pictures) if line[1] == "poisoned"]
    assert as_rows(match(told(file), fetched(kept)).truth) == wanted

    by_hash = [
        {"content_sha256": content_sha256(random_pictures.images[n]), "label": f"class{row['label']}"}
        | {"role": "cover" if row["role"] == "decoy" else row["role"]}
        for n, row in enumerate(rows)
    ]
    truth = match(told(write_parquet(tmp_path, by_hash)), fetched()).truth
    assert [role for _, role, _ in as_rows(truth)] == ["poisoned", "decoy"] * 10
    # without a column of original labels: those of poisoned ones are not known, those of decoys are theirs
    assert truth.labels_before.tolist() == [
        -1 if row % 4 == 1 else row % 10 for row in range(40) if row % 4 in (1, 2)
    ]
    write_truth(tmp_path / "t.parquet", truth)
    assert store.read_parquet(tmp_path / "t.parquet")["label_before"].null_count == 10
    assert read_truth(tmp_path / "t.parquet").labels_before.tolist() == truth.labels_before.tolist()


def test_without_roles_nothing_is_known_and_nobody_may_vouch_for_the_data(told):
    params, artifacts = told()

    assert imported.roles(artifacts, params) is None
    assert given.no_roles("x", trusted=False).truth.keys == ()
    with pytest.raises(DataError, match=r"no prepare.roles.*`trusted: true`"):
        given.no_roles("x", trusted=True)
    with pytest.raises(ParamsError, match="triggered needs roles"):
        check(imported.Params, {"prepare": {"triggered": "t.parquet"}}, "attacks.imported")


# -- what fetch left out ------------------------------------------------------------------------


def test_roles_without_a_sample_are_refused_unless_the_data_set_has_a_limit(rows, told, fetched, tmp_path):
    made = told(write_parquet(tmp_path, rows))
    folders = fetched(range(30))

    with pytest.raises(
        DataError, match=r"10 roles are of no training sample, such as row 30; .*limited: true"
    ):
        match(made, folders)

    found = match(made, folders, limited=True)
    assert "roles: 10 pictures are left out by the limit of the data set" in found.notes
    assert len(found.truth.keys) == 15


def test_excluded_held_out_and_unreadable_pictures_are_counted_and_told(
    rows, told, fetched, tmp_path, random_pictures
):
    rows[0] = {**rows[0], "image": b"no picture"}
    view = random_pictures
    gone = Excluded("train_1", "s", "class1", view.index.content[1])
    folders = fetched(
        range(2, 36), [36, 38, 39], excluded=[gone], left_out=[LeftOut("train_0", "s", "broken")]
    )
    made = told(write_parquet(tmp_path, [row for n, row in enumerate(rows) if n != 37]))

    notes = match(made, folders).notes

    assert notes == (
        "34 training samples: 17 clean, 8 poisoned, 9 decoy",
        "roles: 3 pictures are test pictures (held_out)",
        "roles: 1 pictures were excluded by people",
        "roles: 1 pictures cannot be read",
    )
    with pytest.raises(
        DataError, match=r"1 pictures of the roles cannot be read, such as row 0, .* left out 0"
    ):
        match(made, fetched(range(2, 36), [36, 38, 39], excluded=[gone]))


def test_poisoned_test_pictures_are_refused_where_somebody_vouches_for_them(rows, told, fetched, tmp_path):
    made = told(write_parquet(tmp_path, rows))

    assert match(made, fetched(range(36), range(36, 40))).truth
    with pytest.raises(DataError, match=r"1 of 4 test pictures are poisoned ones"):
        match(made, fetched(range(36), range(36, 40), trusted=True))


def test_samples_without_a_role_are_counted_and_the_first_is_named(rows, told, fetched, tmp_path):
    rows[7] = {**rows[7], "label": 9, "original_label": 9}
    made = told(write_parquet(tmp_path, rows[5:]))

    with pytest.raises(
        DataError,
        match=r"6 of 40 training samples have no role, such as train_0 \(s\); 1 of them .*another label",
    ):
        match(made, fetched())
