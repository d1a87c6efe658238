"""Nothing in a merged view, or made from it, tells which samples were planted."""

from asd import store
from asd.shards.manifest import read_index, read_manifest
from asd.shards.read import open_view
from asd.shards.write import write_shards
from asd.steps import seed


def test_a_merged_view_and_a_standalone_copy_are_the_same_in_everything(pets, tmp_path):
    workspace = pets.planted(tmp_path / "w")
    pets.standalone_copy(workspace, tmp_path / "copy")

    layered = pets.merged(workspace)
    plain = open_view(tmp_path / "copy", pixel_cache=tmp_path / "plain_pixels")

    assert layered.index.keys == plain.index.keys
    assert layered.index.content == plain.index.content
    assert layered.index.sources == plain.index.sources
    assert layered.labels.tobytes() == plain.labels.tobytes()
    assert layered.index.fingerprint() == plain.index.fingerprint()
    assert layered.images.tobytes() == plain.images.tobytes()
    assert (layered.class_names, layered.trusted) == (plain.class_names, plain.trusted)
    assert pets.file_bytes(tmp_path / "w" / "pixels") == pets.file_bytes(tmp_path / "plain_pixels")


def test_arrays_of_both_views_behave_alike(pets, tmp_path):
    workspace = pets.planted(tmp_path / "w")
    pets.standalone_copy(workspace, tmp_path / "copy")

    layered = pets.merged(workspace)
    plain = open_view(tmp_path / "copy", pixel_cache=tmp_path / "plain_pixels")

    for a, b in ((layered.images, plain.images), (layered.labels, plain.labels)):
        assert (type(a), a.dtype, a.strides, a.flags.writeable) == (
            type(b),
            b.dtype,
            b.strides,
            b.flags.writeable,
        )


def test_keys_and_order_of_a_poisoned_view_are_those_of_the_base(pets, tmp_path):
    workspace = pets.planted(tmp_path)

    index = pets.merged(workspace).index

    base = read_index(workspace.layout.fetched("pets", "train"))
    assert (index.keys, index.sources) == (base.keys, base.sources)


def test_named_seeds_are_the_same_files_over_layers_and_over_a_standalone_copy(pets, tmp_path):
    keys = "".join(f"train_{i:04d}\n" for i in range(8))
    layered = pets.planted(tmp_path / "a", seeds={"use": "keys", "keys_file": "trusted.txt"})
    copied = pets.make_workspace(tmp_path / "b", seeds={"use": "keys", "keys_file": "trusted.txt"})
    pets.standalone_copy(layered, copied.layout.fetched("pets", "train"))
    base = read_manifest(copied.layout.fetched("pets", "train"))
    with store.atomic_directory(copied.layout.poisoned("pets", "badnets", "train")) as folder:
        write_shards(
            folder,
            (),
            name=base.name,
            split=base.split,
            class_names=base.class_names,
            image_shape=base.image_shape,
            trusted=base.trusted,
            base=base,
        )
    for workspace in (layered, copied):
        workspace.layout.seeds_by_people.mkdir()
        (workspace.layout.seeds_by_people / "trusted.txt").write_text(keys)
        pets.run(seed, workspace, pets.trial)

    assert pets.file_bytes(layered.layout.seed_set("pets", "badnets", 0)) == pets.file_bytes(
        copied.layout.seed_set("pets", "badnets", 0)
    )
