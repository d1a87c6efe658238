"""Evidence of one cell: a zip that leaves the house, decisions that people sign, and their check.

`contents` says which files belong to it, `statement` lists their digests, `packing` writes and
reads the zip, `decisions` signs, `verify` believes nothing of what it reads.
"""
