"""Texts that cannot be a corpus: the bytes, what is asked for beside them, and the one sentence that they get."""

from __future__ import annotations

from typing import Any

from mmcore.reading import MAX_BYTES

BAD: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "empty": (b"", {}, "corpus must have at least one word, got none in 0 lines"),
    "blank": (b"\n\n", {}, "corpus must have at least one word, got none in 2 lines (2 blank)"),
    "one line": (b"anna", {}, "corpus must have at least 3 different words, one for each split, got 1 in 1 line"),
    "duplicates": (
        b"anna\n" * 500,
        {"deduplicate": True},
        "corpus must have at least 3 different words, one for each split, got 1 in 500 lines",
    ),
    "binary": (bytes(range(256)) * 9, {}, "corpus line 3 must be Windows-1252 text, got byte 0x81"),
    "NULs": (b"anna\nb\0b\n", {}, "corpus line 2 must be text, got control character U+0000"),
    "zip": (b"PK\x03\x04\x14\0", {}, "corpus must be text, got a zip archive"),
    "long line": (b"x" * 9_999_999, {}, "corpus line 1 must have at most 1,000 characters, got 9,999,999"),
    "large": (b"x\n" * MAX_BYTES, {}, "corpus must have at most 10,485,760 bytes, got 20,971,520"),
    "many lines": (b"x\n" * 500_001, {}, "corpus must have at most 500,000 lines, got 500,001"),
    "many words": (b"xy " * 500_001, {"layout": "words"}, "corpus must have at most 500,000 words, got more"),
    "many characters": (
        "\n".join(character for character in map(chr, range(0x20000, 0x20000 + 42_720))).encode(),
        {},
        "corpus must have at most 20,000 different symbols, got 42,720: drop the words with rare ones",
    ),
    "ragged": (
        b"name,n\na,1\nb,2\nc\nd,4\ne,5\n",
        {},
        "table line 4 must have 2 cells as its first row, got 1: ['c']",
    ),
    "no such column": (b"name,n\na,1\n", {"column": "nom"}, "column must be one of name, n, or its number, got 'nom'"),
    "long cell": (
        b'a,"b\n' + b"c,d\n" * 99_999,
        {"layout": "table"},
        "table line 32,769 must be CSV, got field larger than field limit (131072)",
    ),
    "NUL in prose": (
        b"Some words.\nA\0b.",
        {"layout": "sentences"},
        "corpus line 2 must be text, got control character U+0000",
    ),
}
