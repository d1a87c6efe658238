"""Rehearsals: known triggers planted in a copy of the data, to see whether the defense stops them there."""
