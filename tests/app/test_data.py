"""The page Data: corpora in, and every figure against a count of its own."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import BUNDLED_NAMES, RunStore, corpus_from_words
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, metrics, numbers, without_help
from ui.data import upload

NAMES = BUNDLED_NAMES.read_text(encoding="utf-8").splitlines()


def add(app: AppTest, *, pasted: str = "", file: bytes | None = None, **fields: Any) -> AppTest:
    """Fill in the form and send it; ``name, lowercase, deduplicate`` as on the page."""
    if file is not None:
        field(app, "file_uploader", "Text file").upload("own.txt", file, "text/plain")
    field(app, "text_area", "Or paste a list").set_value(pasted)
    field(app, "text_input", "Name").set_value(fields.get("name", ""))
    field(app, "toggle", "Lower-case").set_value(fields.get("lowercase", True))
    field(app, "toggle", "De-duplicate").set_value(fields.get("deduplicate", False))
    field(app, "button", "Add corpus").click().run()
    return app


def test_the_bundled_names_are_counted(open_page: Open) -> None:
    app = open_page("data")
    assert metrics(app) == {
        "Words": f"{len(NAMES):,}",
        "Distinct words": f"{len(set(NAMES)):,}",
        "Vocabulary": f"{len(set(''.join(NAMES))) + 1}",
        "Longest word": f"{max(map(len, NAMES))}",
    }
    assert f"{len(NAMES) - len(set(NAMES)):,} words repeat an earlier one" in texts(app)


def test_vocabulary_lengths_and_pairs_are_those_of_a_plain_count(open_page: Open) -> None:
    app = open_page("data")
    vocabulary = app.dataframe[0].value
    characters = Counter("".join(NAMES))
    assert vocabulary["symbol"].tolist() == [".", *sorted(characters)]
    assert vocabulary["count"].tolist() == [len(NAMES), *(characters[c] for c in sorted(characters))]
    bars = figure(app, 0)["data"][0]
    assert dict(zip(bars["x"], bars["y"], strict=True)) == Counter(map(len, NAMES))
    heat = figure(app, 1)["data"][0]
    pairs = Counter(pair for name in NAMES for pair in zip(f".{name}", f"{name}.", strict=True))
    counts = numbers(heat["customdata"])
    for row, first in enumerate(heat["y"]):
        for column, second in enumerate(heat["x"]):
            assert counts[row, column] == pairs[first, second]


def test_any_word_becomes_contexts_of_any_size(open_page: Open) -> None:
    app = open_page("data")
    field(app, "text_input", "Word").set_value("ava")
    field(app, "number_input", "Context size").set_value(2).run()
    rows = app.dataframe[1].value
    assert rows["context"].tolist() == ["..", ".a", "av", "va"]
    assert rows["next"].tolist() == ["a", "v", "a", "."]
    assert rows["context_ids"].tolist() == ["0 0", "0 1", "1 22", "22 1"]
    assert rows["next_id"].tolist() == [1, 22, 1, 0]


def test_a_word_with_unknown_characters_gets_a_sentence(open_page: Open) -> None:
    app = open_page("data")
    field(app, "text_input", "Word").set_value("Ω").run()
    assert "must be in the vocabulary" in app.error[0].value and "Ω" in app.error[0].value
    assert len(app.get("plotly_chart")) == 2  # the rest of the page stands


def test_splits_and_leakage_follow_seed_fractions_and_the_switch(open_page: Open) -> None:
    app = open_page("data")
    assert app.dataframe[2].value["examples"].tolist() == [183_802, 22_949, 23_053]
    assert app.dataframe[3].value["in_train"].tolist() == [408, 406]
    field(app, "number_input", "Split seed").set_value(7)
    field(app, "number_input", "Train fraction").set_value(0.6)
    field(app, "number_input", "Validation fraction").set_value(0.3).run()
    shuffled = list(NAMES)
    random.Random(7).shuffle(shuffled)
    first, second = int(0.6 * len(shuffled)), int(0.9 * len(shuffled))
    parts = [shuffled[:first], shuffled[first:second], shuffled[second:]]
    assert app.dataframe[2].value["words"].tolist() == [len(part) for part in parts]
    assert app.dataframe[2].value["examples"].tolist() == [sum(len(word) + 1 for word in part) for part in parts]
    seen = set(parts[0])
    assert app.dataframe[3].value["in_train"].tolist() == [sum(word in seen for word in part) for part in parts[1:]]
    field(app, "toggle", "De-duplicate before splitting").set_value(True).run()
    assert app.dataframe[3].value["in_train"].tolist() == [0, 0]
    assert "No validation or test word occurs in train" in texts(app)


def test_fractions_that_leave_no_test_split_get_a_sentence(open_page: Open) -> None:
    app = open_page("data")
    field(app, "number_input", "Validation fraction").set_value(0.2).run()
    assert "below 1, so that a test split is left" in app.error[0].value.replace("\\", "")


def test_a_pasted_list_becomes_the_current_corpus(store: RunStore, open_page: Open) -> None:
    app = add(open_page("data"), pasted="Ada\n\nada\nEve.\n", name="mine", deduplicate=True)
    assert not app.exception
    assert metrics(app)["Words"] == "2" and metrics(app)["Vocabulary"] == "6"
    assert "Read 4 lines, kept 2 words, dropped 1 blank and 1 duplicate" in texts(app)
    assert "“.”" in app.dataframe[0].value["symbol"].tolist()  # a full stop is drawn apart from the boundary
    sha256 = app.query_params["corpus"]
    assert store.corpus(sha256 if isinstance(sha256, str) else sha256[0]).words == ("ada", "eve.")
    assert field(app, "text_area", "Or paste a list").value == ""  # the form is empty again


def test_b2_what_was_cleaned_is_said_on_the_page(store: RunStore, open_page: Open) -> None:
    app = add(open_page("data"), pasted="Ada\nzoe\u0301\nma\ufeffry\nam\u200cy\nمی\u200cخواهم")
    assert "took out U+FEFF (zero width no-break space) once, in line 3" in texts(app).replace("\\", "")
    assert "took out U+200C (zero width non-joiner) once, in line 4" in texts(app).replace("\\", "")
    assert "composed 1 word to Unicode NFC; lower-cased 1 word." in texts(app)
    assert "U+200C" in app.dataframe[0].value["symbol"].tolist()  # between Persian letters it stays, and is drawn
    field(app, "text_input", "Word").set_value("ZOE\u0301").run()
    assert app.dataframe[1].value["next"].tolist() == ["z", "o", "é", "."]


@pytest.mark.parametrize("pasted", ["name,count\nsurado,120\nromon,110", "surado\t120\nromon\t110"])
def test_b2_a_pasted_table_is_refused_in_one_sentence(store: RunStore, open_page: Open, pasted: str) -> None:
    app = add(open_page("data"), pasted=pasted)
    assert ("CSV" if "," in pasted else "a tab") in app.error[0].value.replace("\\", "")
    assert "save the column of words alone" in app.error[0].value
    assert len(store.corpora()) == 1


def test_b2_an_uploaded_table_gets_the_same_sentence(store: RunStore, open_page: Open) -> None:
    app = open_page("data")
    field(app, "file_uploader", "Text file").upload("own.csv", b"name,count\nsurado,120\n", "text/csv")
    field(app, "button", "Add corpus").click().run()
    assert "save the column of words alone" in app.error[0].value


def test_capitals_stay_without_lower_casing(open_page: Open) -> None:
    app = add(open_page("data"), pasted="Ada\nada", lowercase=False)
    assert metrics(app)["Distinct words"] == "2"


def test_an_uploaded_file_is_named_after_itself(store: RunStore, open_page: Open) -> None:
    app = add(open_page("data"), file="\ufeffzoë\r\nanaïs\r\n".encode())
    assert metrics(app)["Words"] == "2"
    assert "own" in store.corpora()["name"].tolist()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"ok\nab\xffc\n", "corpus line 2 must be UTF-8 text, got byte 0xff"),
        (b"ok\nnul\x00here\n", "corpus line 2 must be text, got control character U+0000"),
        (b"\n \n", "corpus must have at least one word, got none in 2 lines"),
        (b"a" * 1_001, "corpus line 1 must have at most 1,000 characters, got 1,001"),
    ],
    ids=["binary", "control", "empty", "long"],
)
def test_a_bad_upload_says_why_and_harms_nothing(store: RunStore, open_page: Open, raw: bytes, sentence: str) -> None:
    app = open_page("data")
    before = store.corpora()["sha256"].tolist()
    add(app, file=raw)
    assert app.error[0].value.replace("\\", "") == sentence
    assert metrics(app)["Words"] == f"{len(NAMES):,}"
    assert store.corpora()["sha256"].tolist() == before


def test_a_file_over_the_limit_is_refused(store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_UPLOAD_BYTES", 2**20)
    app = add(open_page("data"), pasted="a" * (2**20 + 1))
    assert "corpus must be at most 1,048,576 bytes, got 1048577" in app.error[0].value.replace("\\", "")


def test_a_name_that_is_markup_is_shown_as_it_is(open_page: Open) -> None:
    app = add(open_page("data"), pasted="ada", name="**x** ![](http://a.b/c)" * 9)
    assert "name must be 1 to 80 characters" in app.error[0].value
    assert "![]" not in app.error[0].value  # escaped


def test_another_stored_corpus_can_be_chosen(store: RunStore, open_page: Open) -> None:
    app = open_page("data")
    sha256 = store.add_corpus(corpus_from_words(["ab", "ba", "abc"], "tiny"))
    app.run()
    app.selectbox(key="corpus_choice").set_value(sha256).run()
    assert metrics(app)["Words"] == "3"
    assert not app.exception


def test_a_tiny_corpus_says_that_it_cannot_be_split(store: RunStore, open_page: Open) -> None:
    sha256 = store.add_corpus(corpus_from_words(["ab"], "one word"))
    app = open_page("data", corpus=sha256)
    assert "split must have at least one word" in app.error[0].value


def test_a_large_vocabulary_shows_its_most_frequent_pairs(store: RunStore, open_page: Open) -> None:
    words = [chr(0x4E00 + i) * (200 - i) for i in range(150)]
    app = open_page("data", corpus=store.add_corpus(corpus_from_words(words, "many")))
    assert len(figure(app, 1)["data"][0]["x"]) <= 61
    assert "most frequent of 151 symbols" in texts(app)


def test_every_field_has_help(open_page: Open) -> None:
    app = open_page("data")
    assert without_help(app) == []
