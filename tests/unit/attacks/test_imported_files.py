"""A poisoned set made elsewhere: what its files may not say, and its triggered pictures."""

import numpy as np
import pyarrow as pa
import pytest

from asd import given, store
from asd.attacks import _given_files, imported
from asd.errors import DataError, ParamsError
from asd.shards.png import encode_png
from asd.truth import ALONE
from tests.unit.attacks.imported_sets import as_rows, hash_of, match, write_folder, write_parquet

# -- hostile files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"role": "evil"}, r"roles.parquet#5 has role 'evil'.*wanted: clean, poisoned, decoy, unknown"),
        ({"role": None}, r"roles.parquet#5 has no role"),
        ({"label": 10}, r"roles.parquet#5 has label 10, which is none of 10 classes"),
        ({"label": -1}, r"roles.parquet#5 has label -1, which is none of 10 classes"),
        ({"label": None}, r"roles.parquet#5 has no label"),
        ({"original_label": 99}, r"roles.parquet#5 has label 99"),
        ({"image": None}, r"roles.parquet#5 has no picture in column image"),
    ],
)
def test_a_cell_that_is_not_in_order_names_its_row(rows, told, tmp_path, change, said):
    rows[5] = {**rows[5], **change}

    with pytest.raises(DataError, match=said):
        told(write_parquet(tmp_path, rows))


def test_nan_and_other_kinds_of_values_are_refused(rows, told, tmp_path):
    floats = [{**row, "original_label": float(row["original_label"])} for row in rows]
    told(write_parquet(tmp_path, floats))  # whole numbers are fine
    floats[3]["original_label"] = float("nan")
    with pytest.raises(DataError, match=r"roles.parquet#3: original_label is NaN; leave the cell empty"):
        told(write_parquet(tmp_path, floats))
    floats[3]["original_label"] = 1.5
    with pytest.raises(DataError, match=r"roles.parquet#3: original_label is 1.5, wanted a whole number"):
        told(write_parquet(tmp_path, floats))
    with pytest.raises(DataError, match=r"roles.jsonl line 1: label is \[1\], wanted a whole number or text"):
        told(write_folder(tmp_path, [{**rows[0], "label": [1]}], form="jsonl"))
    lines = tmp_path / "made" / "bad.jsonl"
    lines.write_text('{"path": "a.png", "label": NaN, "role": 0}\n')
    with pytest.raises(DataError, match=r"bad.jsonl line 1: label is NaN"):
        told(lines)
    lines.write_text("[]\n")
    with pytest.raises(DataError, match=r"bad.jsonl line 1: wanted an object, got list"):
        told(lines)
    lines.write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"bad.jsonl line 1 is not JSON"):
        told(lines)


def test_one_picture_with_two_roles_is_refused_and_twice_the_same_is_not(
    rows, told, fetched, tmp_path, random_pictures
):
    twice = [*rows, {**rows[0]}]
    with pytest.raises(DataError, match=r"1 roles are of no training sample, such as row 0"):
        match(told(write_parquet(tmp_path, twice)), fetched())
    twice[-1] = {**rows[0], "role": "poisoned", "original_label": 5}
    with pytest.raises(
        DataError, match=r"row 0 and row 40 of the roles are the same picture .* one is clean"
    ):
        match(told(write_parquet(tmp_path, twice)), fetched())


def test_a_clean_picture_with_another_original_label_is_refused(rows, told, fetched, tmp_path):
    rows[4]["original_label"] = 9

    with pytest.raises(DataError, match=r"row 4 of the roles is clean, but its label 4 is not its original"):
        match(told(write_parquet(tmp_path, rows)), fetched())


def test_unknown_roles_are_for_data_that_nobody_vouches_for(rows, told, fetched, tmp_path):
    made = told(write_parquet(tmp_path, [{**row, "role": "unknown"} for row in rows]))

    assert match(made, fetched()).truth.keys == ()
    with pytest.raises(DataError, match=r"40 roles are unknown, but the data set says `trusted: true`"):
        match(made, fetched(trusted=True))


def test_too_many_rows_a_missing_file_and_a_wrong_kind_are_refused(rows, told, tmp_path, monkeypatch):
    file, lines = write_parquet(tmp_path, rows), write_folder(tmp_path, rows)
    monkeypatch.setattr(_given_files, "MAX_ROWS", 39)
    for one in (file, lines):
        with pytest.raises(DataError, match=r"has more than 39 rows"):
            told(one)
    with pytest.raises(DataError, match=r"prepare.roles: there is no .*nowhere.parquet"):
        told(roles_sha256="0" * 64, roles="nowhere.parquet")
    (tmp_path / "made" / "roles.txt").write_text("x")
    with pytest.raises(ParamsError, match=r"roles.txt: wanted a .parquet, .csv, .tsv or .jsonl file"):
        told(tmp_path / "made" / "roles.txt")
    (tmp_path / "made" / "broken.parquet").write_text("x")
    with pytest.raises(DataError, match=r"broken.parquet cannot be read as Parquet"):
        told(tmp_path / "made" / "broken.parquet")


def test_a_hash_is_asked_for_and_held(rows, told, tmp_path):
    write_parquet(tmp_path, rows)

    with pytest.raises(ParamsError, match=r"needs its hash beside it: roles_sha256: [0-9a-f]{64}"):
        told(roles="made/roles.parquet")
    with pytest.raises(DataError, match=r"prepare.roles_sha256 says 0000"):
        told(roles="made/roles.parquet", roles_sha256="0" * 64)


def test_a_list_covers_its_folder_which_is_not_the_workspace(rows, told, tmp_path):
    file = write_folder(tmp_path, rows)
    sha256 = hash_of(file)
    (tmp_path / "made" / "pictures" / "roles3.png").write_bytes(rows[4]["image"])
    with pytest.raises(DataError, match=r"prepare.roles_sha256 says"):
        told(roles="made/roles.csv", roles_sha256=sha256)
    (tmp_path / "roles.csv").write_text("path,label,role\n")
    with pytest.raises(ParamsError, match=r"holds the workspace; give it a folder of its own"):
        told(roles="roles.csv", roles_sha256=sha256)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "link.png", "nowhere.png"])
def test_a_path_that_leaves_the_folder_is_refused(told, tmp_path, path):
    place = tmp_path / "made"
    place.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (place / "link.png").symlink_to(tmp_path / "secret.png")
    (place / "roles.csv").write_text(f"path,label,role\n{path},1,clean\n")

    with pytest.raises(DataError, match=r"leaves|no file"):
        told(place / "roles.csv")


def test_a_missing_column_names_those_that_are_there(rows, told, tmp_path):
    for row in rows:
        del row["role"]

    with pytest.raises(
        DataError, match=r"no column role \(there are: image, label, original_label\); map it in"
    ):
        told(write_parquet(tmp_path, rows))
    with pytest.raises(DataError, match=r"no column bd .*columns.role"):
        told(write_parquet(tmp_path, rows), columns={"role": "bd"})


def test_a_line_may_leave_out_what_it_does_not_know(rows, told, fetched, tmp_path):
    rows[1]["role"], rows[0]["role"] = "clean", "poisoned"
    rows[1]["original_label"] = rows[1]["label"]
    del rows[0]["original_label"]

    truth = match(told(write_folder(tmp_path, rows, form="jsonl")), fetched()).truth

    assert as_rows(truth)[:3] == [
        ("train_0", "poisoned", -1),
        ("train_2", "decoy", 2),
        ("train_5", "poisoned", 4),
    ]


def test_a_column_that_comes_twice_is_refused(told, tmp_path):
    (tmp_path / "made").mkdir()
    table = pa.Table.from_arrays([pa.array([b"x"]), pa.array([1]), pa.array([1]), pa.array([0])],
                                 names=["image", "label", "label", "role"])  # fmt: skip
    store.write_parquet(tmp_path / "made" / "roles.parquet", table)
    with pytest.raises(DataError, match=r"roles.parquet has 2 columns label"):
        told(tmp_path / "made" / "roles.parquet")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("path,label,role,role", r"roles.csv has 2 columns role"),
        ("path,label,label ,role", r"roles.csv has 2 columns label"),
        ("path,label,role,Role", r"roles.csv has 2 columns Role \(role, Role\)"),
    ],
)
def test_a_column_that_comes_twice_in_a_csv_is_refused(told, tmp_path, header, said):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "roles.csv").write_text(f"{header}\na.png,1,1,0\n")

    with pytest.raises(DataError, match=said):
        told(tmp_path / "made" / "roles.csv")


def test_a_mapped_column_may_have_one_beside_it_that_differs_in_case(rows, told, tmp_path):
    file = write_folder(tmp_path, [{**row, "ROLE": "x"} for row in rows[:2]])

    _, artifacts = told(file, columns={"role": "role"})

    assert artifacts["role"].tolist() == [0, 1]


def test_a_key_that_comes_twice_in_a_line_is_refused(rows, told, tmp_path):
    file = write_folder(tmp_path, rows[:2], form="jsonl")
    first, second = file.read_text().splitlines()
    file.write_text(f'{first}\n{second[:-1]}, "role": "clean"}}\n')

    with pytest.raises(DataError, match=r"roles.jsonl line 2 has key 'role' twice"):
        told(file)


def test_blank_lines_of_json_do_not_count(rows, told, tmp_path):
    file = write_folder(tmp_path, rows[:2], form="jsonl")
    file.write_text("\n" + file.read_text() + "  \n\n")

    _, artifacts = told(file)

    assert artifacts["row"].tolist() == [2, 3]


def test_a_key_in_capitals_is_found_like_a_column(rows, told, tmp_path):
    file = write_folder(tmp_path, rows[:2], form="jsonl")
    file.write_text(file.read_text().replace("original_label", "Original_Label"))

    _, artifacts = told(file)

    assert artifacts["before"].tolist() == [0, 0]


@pytest.mark.parametrize("path", ["a" * 256 + ".png", "\\ud800.png", "a\\u0000b.png"])
def test_a_path_that_no_file_can_have_names_its_row(told, tmp_path, path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "roles.jsonl").write_text(f'{{"path": "{path}", "label": 1, "role": 0}}\n')

    with pytest.raises(DataError, match=r"^roles.jsonl line 1: cannot look for '"):
        told(tmp_path / "made" / "roles.jsonl")


# -- the triggered test set ---------------------------------------------------------------------


@pytest.fixture
def triggered_rows(random_pictures):
    """Test pictures (255 minus the training ones) with one value changed; class 3 is wanted."""
    return [
        {"image": encode_png((255 - random_pictures.images[row]) ^ 1), "label": 3, "original_label": row % 10}
        for row in range(10)
    ]


def test_triggered_pictures_find_their_clean_ones_by_pixels(
    rows, triggered_rows, told, fetched, tmp_path, random_pictures
):
    for row in range(10):
        triggered_rows[row]["clean"] = encode_png(255 - random_pictures.images[row])
    triggered_rows[8]["clean"] = None
    triggered_rows.reverse()
    params, artifacts = told(
        write_parquet(tmp_path, rows), write_parquet(tmp_path, triggered_rows, "triggered")
    )
    _, test = fetched()
    index = given.read_index(test)

    found = given.match_test("x", imported.triggered(artifacts, params), index)

    # row 9 - n of the file is picture n; that of class 3 does not count
    assert found.keys == ("test_9", f"{ALONE}000001", *(f"test_{n}" for n in (7, 6, 5, 4, 2, 1, 0)))
    assert found.labels_before.tolist() == [9, 8, 7, 6, 5, 4, 2, 1, 0]
    assert found.notes == (
        "9 of 10 triggered test pictures count for attack success",
        "the clean pictures of 1 of them are not known: no base rate over those",
    )
    samples = list(found.samples())
    assert {sample.label for sample in samples} == {3}
    assert np.array_equal(samples[0].image, (255 - random_pictures.images[9]) ^ 1)


def test_class_folders_name_the_wanted_class(rows, triggered_rows, told, tmp_path, random_pictures):
    place = tmp_path / "made" / "triggered" / "class3"
    place.mkdir(parents=True)
    for number, row in enumerate(triggered_rows):
        (place / f"{number}.png").write_bytes(row["image"])

    params, artifacts = told(write_parquet(tmp_path, rows), place.parent)

    found = imported.triggered(artifacts, params)
    assert (found.wanted.tolist(), set(found.labels_before.tolist()), set(found.clean)) == (
        [3] * 10,
        {-1},
        {""},
    )
    with pytest.raises(DataError, match=r"0.png lies in no class folder"):
        told(write_parquet(tmp_path, rows), place)


def test_a_triggered_picture_that_is_its_clean_one_or_has_another_label_is_refused(
    rows, triggered_rows, told, fetched, tmp_path, random_pictures
):
    index = given.read_index(fetched()[1])
    clean = encode_png(255 - random_pictures.images[4])

    def matched(**change):
        made = [{**triggered_rows[4], "clean": clean, **change}]
        params, artifacts = told(write_parquet(tmp_path, rows), write_parquet(tmp_path, made, "triggered"))
        return given.match_test("x", imported.triggered(artifacts, params), index)

    assert matched().keys == ("test_4",)
    with pytest.raises(DataError, match=r"number 0 is its own clean picture"):
        matched(image=clean)
    with pytest.raises(DataError, match=r"has original label 5, but its clean picture test_4 has label 4"):
        matched(original_label=5)


def test_triggered_pictures_of_another_size_are_scaled_as_those_of_the_data_set(rows, told, tmp_path):
    small = np.zeros((3, 8, 8), np.uint8)
    made = [{"image": encode_png(small), "label": 3}]
    params, artifacts = told(write_parquet(tmp_path, rows), write_parquet(tmp_path, made, "triggered"))
    assert imported.triggered(artifacts, params).images.shape == (1, 3, 16, 16)
    made = [{"image": b"broken", "label": 3}]
    with pytest.raises(DataError, match=r"broken image triggered.parquet#0"):
        told(write_parquet(tmp_path, rows), write_parquet(tmp_path, made, "triggered"))
