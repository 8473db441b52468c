"""From bytes to text: which encoding they are in, and how that is known."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252", "latin-1": "Latin-1"}
AUTO = "auto"
# What some files begin with that are no text, whatever they are called.
BINARY = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF-": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"SQLite format 3\x00": "a SQLite database",
    b"\x7fELF": "a program",
    b"\xd0\xcf\x11\xe0": "an old office document",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Decoded:
    """Bytes as text."""

    text: str
    encoding: str  # one of :data:`ENCODINGS`
    why: str  # how that is known, as the end of a sentence; empty where it is plain or was asked for


def decode(raw: bytes, encoding: str = AUTO) -> Decoded:
    """The text of some bytes, in the encoding that was asked for or, with ``auto``, that they show.

    Raises
    ------
    ValueError
        Where they are no text, or not in that encoding: with the line and the byte.
    """
    for start, what in BINARY.items():
        if raw.startswith(start):
            raise ValueError(f"corpus must be text, got {what}")
    if encoding == AUTO:
        return _recognised(raw)
    if encoding == "utf-16":
        return Decoded(_utf16(raw, _order(raw) or "utf-16-le"), encoding, "")
    if encoding == "utf-8":
        return Decoded(_utf8(raw), encoding, "")
    return Decoded(_one_byte(raw, encoding), encoding, "")


def _recognised(raw: bytes) -> Decoded:
    if order := _order(raw):
        marked = raw[:2] in _MARKS
        why = "as its first two bytes say" if marked else "as every second byte is 0"
        return Decoded(_utf16(raw, order), "utf-16", why)
    try:
        return Decoded(raw.decode(), "utf-8", "")
    except UnicodeDecodeError as error:
        wrong = error
    if _mostly_utf8(raw):
        raise _not_utf8(raw, wrong)
    encoding = "cp1252" if any(0x80 <= byte < 0xA0 for byte in raw) else "latin-1"
    where = f"line {_line(raw, wrong.start):,} has byte 0x{raw[wrong.start]:02x}"
    return Decoded(_one_byte(raw, encoding), encoding, f"a guess, because it is not UTF-8: {where}")


def _order(raw: bytes) -> str:
    """The byte order of UTF-16, by its mark or by where its zeros are; empty for what is none."""
    if raw[:2] in _MARKS:
        return _MARKS[raw[:2]]
    start = raw[:4_000]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < 0.4 * len(start) or min(even, odd) > 0 or len(raw) % 2 or not raw:
        return ""
    return "utf-16-be" if even else "utf-16-le"


def _utf16(raw: bytes, order: str) -> str:
    try:
        return raw.decode(order).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"corpus must be UTF-16 text throughout, got {error.reason} at byte {error.start:,}") from None


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(raw, error) from None


def _not_utf8(raw: bytes, error: UnicodeDecodeError) -> ValueError:
    return ValueError(f"corpus line {_line(raw, error.start)} must be UTF-8 text, got byte 0x{raw[error.start]:02x}")


def _one_byte(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        got = f"byte 0x{raw[error.start]:02x}"
        raise ValueError(
            f"corpus line {_line(raw, error.start):,} must be {ENCODINGS[encoding]} text, got {got}"
        ) from None


def _mostly_utf8(raw: bytes) -> bool:
    """Whether more of what is beyond ASCII is UTF-8 than is not: then it is UTF-8 with something broken in it."""
    valid = sum(character > "\x7f" for character in raw.decode(errors="ignore"))
    return valid > raw.decode(errors="replace").count("\ufffd")


def _line(raw: bytes, start: int) -> int:
    return len(raw[:start].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
