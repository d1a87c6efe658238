"""Data sets: one plug-in a file, found by its name.

Each offers `Params` and `load(params, split, source, reporter) -> LoadedSplit`; one that can be
downloaded also offers `downloads(params, location) -> list[Download]`, and one that needs no
source says `EMBEDDED = True`, one that reads the workspace itself `WORKSPACE = True`. One that takes
a part of a larger folder offers `chosen_files(params, source) -> list[Path]`: only those are hashed.
"""
