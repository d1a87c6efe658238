"""WebDataset tars: members `KEY.jpg` (or png, webp...) with `KEY.cls` or `KEY.json`; nothing else is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from asd.datasets._wds import PICTURES, json_label, split_name, text_label
from asd.errors import DataError
from asd.intake.checks import Problem, check_name
from asd.intake.readers.entry import Entry, File, Limits, read_file

_NOTES = {"cls": text_label, "json": json_label}
_LARGEST_NOTE = 2**16


@dataclass
class _Sample:
    """The members of one key, as far as they have come: at most one picture is held."""

    key: str
    picture: Entry | None = None
    notes: dict[str, Entry] = field(default_factory=dict)

    def take(self, ending: str, entry: Entry) -> Problem | None:
        """Keep a member, or say why not."""
        if ending in _NOTES and ending not in self.notes:
            self.notes[ending] = entry
        elif ending in PICTURES and self.picture is None:
            self.picture = entry
        elif ending in _NOTES or ending in PICTURES:
            return "ambiguous", "the sample has another one already"
        else:
            return "stray-file", f"a member .{ending[:20]} is not read"
        return None


def read_samples(files: Iterable[File], prefix: str, limits: Limits) -> Iterator[Entry]:
    """Each picture with the label of its sample; other members are refused.

    Args:
        files: members of one tar.
        prefix: what their names get in front, such as `train-0.tar/`.
        limits: caps.
    """
    small = replace(limits, most_file_bytes=min(_LARGEST_NOTE, limits.most_file_bytes))
    sample = _Sample("")
    for file in files:
        key, ending = split_name(file.name)
        if key != sample.key:
            yield from _finish(sample)
            sample = _Sample(key)
        entry = read_file(file, None, small if ending in _NOTES else limits)
        entry = replace(entry, path=prefix + entry.path)
        problem = check_name(file.name) or ((entry.code, entry.message) if entry.code else None)
        problem = problem or sample.take(ending, entry)
        if problem is not None:
            yield replace(entry, code=problem[0], message=problem[1])
    yield from _finish(sample)


def _finish(sample: _Sample) -> Iterator[Entry]:
    if sample.picture is None:
        for entry in sample.notes.values():
            yield replace(entry, code="no-picture", message="a label without a picture")
        return
    label = None
    for ending, read in _NOTES.items():
        if label or ending not in sample.notes:
            continue
        try:
            label = read(sample.notes[ending].data or b"", "the sample")
        except DataError as error:
            yield replace(sample.picture, code="bad-label", message=str(error))
            return
    yield replace(sample.picture, label=label)
