"""Why a file of a drop is refused: every code, what it means, and how the vendor mends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One code.

    Attributes:
        code: as in `quarantine.parquet`.
        meaning: what is wrong, one line.
        cure: what the vendor does about it, one line.
        holds: one such file is enough to hold the whole drop.
    """

    code: str
    meaning: str
    cure: str
    holds: bool = False


_ALL = (
    # names and kinds
    Reason("bad-name", "the name is not UTF-8, or holds control, direction or line characters", "rename it"),
    Reason("long-name", "the name is longer than 1,024 bytes, or has more than 32 parts", "shorten it"),
    Reason(
        "unsafe-path",
        "the name is absolute, has a backslash or a drive letter, or a part `..`, `.` or none",
        "name it by a path that counts from the drop's folder, with slashes",
    ),
    Reason("hidden-file", "a part of the name starts with a dot, or is `__MACOSX`", "leave it out"),
    Reason("duplicate-name", "the archive has a member of that name already", "pack each file once"),
    Reason("link", "a symbolic or hard link", "send the file itself"),
    Reason("not-a-file", "a device, pipe, socket or another thing that is no regular file", "leave it out"),
    Reason("unreadable", "the file cannot be read", "check its permissions, or send it again"),
    # sizes
    Reason("empty", "the file has no bytes", "send it again"),
    Reason("too-large", "the file is larger than intake.most_file_bytes", "send a smaller picture"),
    # archives and tables
    Reason("nested-archive", "an archive inside the archive", "pack the pictures into one archive"),
    Reason("encrypted", "the member is encrypted", "pack it without a password"),
    Reason("archive-method", "the member is packed by another method than store or deflate", "pack it anew"),
    Reason("overlap", "two members of the zip share bytes", "pack it anew with an ordinary program"),
    Reason(
        "damaged-archive",
        "the archive or table is cut short, damaged or lies about itself; what stands behind is not read",
        "send the file again, whole",
        holds=True,
    ),
    Reason(
        "reader-died",
        "reading the archive or table took too much memory or time, or killed the reader",
        "write it anew; Parquet with row groups of at most 32 MiB",
        holds=True,
    ),
    Reason("stray-file", "the file does not belong to a drop of this form", "leave it out"),
    Reason("unlisted", "the labels file does not name this file", "add a line for it, or leave it out"),
    Reason("missing-file", "the labels file names a file that is not there", "send it, or delete the line"),
    Reason("bad-line", "the line of the labels file cannot be read", "write one path and one label a line"),
    Reason("no-picture", "the row or sample holds no picture bytes", "put the picture itself into it"),
    Reason("ambiguous", "two pictures, or two labels, for one sample", "give each sample one of both"),
    # content
    Reason("not-a-picture", "its first bytes are none of PNG, JPEG, WebP, BMP, GIF", "send such a picture"),
    Reason("wrong-ending", "the name's ending says another format than the first bytes", "rename it"),
    Reason("too-many-pixels", "more pixels than intake.most_pixels, by its header", "make it smaller"),
    Reason("broken-picture", "the picture cannot be decoded", "save it anew from the original"),
    Reason("odd-colours", "its colours have no fixed range of values", "save it as 8-bit RGB or grey"),
    Reason("too-slow", "decoding took more than intake.most_seconds of CPU", "save it anew"),
    Reason("too-much-memory", "decoding took more memory than a worker may have", "make it smaller"),
    Reason("killed-decoder", "the decoder died of it, twice", "save it anew from the original"),
    # labels
    Reason("no-label", "there is no label, or it is empty or NaN", "give it a label"),
    Reason("bad-label", "the label is too long, or holds characters that are not shown", "rename the class"),
    Reason(
        "unknown-label",
        "the label is none of the classes",
        "use the names of the classes, or send a labels file `sent,class`",
        holds=True,
    ),
    # content seen before
    Reason("duplicate", "the same picture with the same label came before", "send it once"),
    Reason("duplicate-of-test", "the picture is in the test set", "leave it out"),
    Reason("label-flip", "the same picture came before with another label", "find out which label is right"),
)
REASONS = {reason.code: reason for reason in _ALL}

FLAGS = {
    "near-duplicate": "looks almost like a picture that came before",
    "near-duplicate-of-test": "looks almost like a picture of the test set",
    "label-flip": "that picture has another label",
    "animated": "only the first frame was taken",
    "alpha": "transparency was dropped: people may have seen another picture",
    "rotated": "turned upright as its EXIF says",
    "recoloured": "was 16-bit, CMYK or another colour space",
    "trailing-data": "bytes behind the end of the picture were dropped",
}
