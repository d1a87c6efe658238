"""Readers of drops: each gives the files of one form as a stream, and writes nothing."""
