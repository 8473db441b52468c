"""Text on a page."""

from __future__ import annotations

import io
import math
import re

import pandas as pd
import pytest

from mmcore.fields import MAX_QUOTED, quoted
from ui.kit.text import csv, nats, plain


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        (2.09657, "2.0966"),
        (-0.5, "-0.5000"),
        (34_581.25, "34,581.2500"),
        (4.741e20, "4.74e+20"),
        (math.inf, "∞"),
        (math.nan, "nan"),
    ],
)
def test_a_loss_is_exact_to_four_decimals_until_only_its_size_says_anything(loss: float, shown: str) -> None:
    assert nats(loss) == shown


def test_a_loss_may_have_other_decimals() -> None:
    assert (nats(8.2821, 3), nats(3e21, 3)) == ("8.282", "3e+21")


@pytest.mark.parametrize("word", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx"])
def test_e7_a_spreadsheet_takes_no_word_for_a_formula(word: str) -> None:
    table = pd.DataFrame({"word": [word, "emma=", "a-b"], "number": [-1, -2.5, 3e-5], "ended": [True, False, True]})
    read = pd.read_csv(io.StringIO(csv(table)), lineterminator="\n")
    assert list(read["word"]) == ["'" + word, "emma=", "a-b"]
    assert list(read["number"]) == [-1, -2.5, 3e-5]
    assert list(read["ended"]) == [True, False, True]


@pytest.mark.parametrize("text", ["https://a.example/x", "see HTTP://a.example", "www.a.example", "a@b.example"])
def test_e7_markdown_finds_no_address_in_other_peoples_text(text: str) -> None:
    read = re.sub(r"\\(.)", r"\1", plain(text))  # as markdown has it when it looks for addresses
    assert not re.search(r"https?://|www\.|\w@\w", read, re.IGNORECASE)
    assert read.replace("\u2060", "") == text
    assert plain("emma: 12 at 3.5") == r"emma\: 12 at 3\.5"


@pytest.mark.parametrize("value", ["x" * 10**6, ["x"] * 10**5, {"a": "x" * 10**5}, "\n" * 200])
def test_e7_a_value_is_repeated_to_a_bounded_length(value: object) -> None:
    assert len(quoted(value)) == MAX_QUOTED + 1
    assert quoted("short") == "'short'"
