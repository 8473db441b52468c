"""The page Data: corpora in, and every figure against a count of its own."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import BUNDLED_NAMES, RunStore, corpus_from_words, reading
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, metrics, numbers, without_help
from tests.bad_texts import BAD

NAMES = BUNDLED_NAMES.read_text(encoding="utf-8").splitlines()


def preview(app: AppTest, *, pasted: str = "", file: bytes | None = None, **options: Any) -> AppTest:
    """Give a text, with options by their keys, and look at what the corpus would be."""
    if file is not None:
        field(app, "file_uploader", "Text file").upload(options.pop("called", "own.txt"), file, "text/plain")
    field(app, "text_area", "Or paste a text").set_value(pasted)
    field(app, "text_input", "Name").set_value(options.pop("name", ""))
    for option, value in options.items():
        kind = "checkbox" if isinstance(value, bool) else "text_input" if option == "keep" else "selectbox"
        getattr(app, kind)(key=f"reading_{option}").set_value(value)
    return app.run()


def add(app: AppTest, **given: Any) -> AppTest:
    """The same, and then store it."""
    preview(app, **given)
    field(app, "button", "Add corpus").click().run()
    return app


def said(app: AppTest) -> str:
    """The text on a page as it reads."""
    return texts(app).replace("\\", "")


def test_the_bundled_names_are_counted(open_page: Open) -> None:
    app = open_page("data")
    assert metrics(app) == {
        "Words": f"{len(NAMES):,}",
        "Distinct words": f"{len(set(NAMES)):,}",
        "Vocabulary": f"{len(set(''.join(NAMES))) + 1}",
        "Longest word": f"{max(map(len, NAMES))}",
    }
    assert f"{len(NAMES) - len(set(NAMES)):,} words repeat an earlier one" in said(app)


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
    app = add(open_page("data"), pasted="Ada\n\nada\nEve.\nIda", name="mine", deduplicate=True)
    assert not app.exception
    assert metrics(app)["Words"] == "3" and metrics(app)["Vocabulary"] == "7"
    assert "Read as UTF-8: one word a line. Of 5 lines, kept 3 words, dropped 1 blank and 1 duplicate" in said(app)
    assert "“.”" in app.dataframe[0].value["symbol"].tolist()  # a full stop is drawn apart from the boundary
    sha256 = app.query_params["corpus"]
    assert store.corpus(sha256 if isinstance(sha256, str) else sha256[0]).words == ("ada", "eve.", "ida")
    assert field(app, "text_area", "Or paste a text").value == ""  # the form is empty again


def test_b2_what_was_cleaned_is_said_on_the_page(store: RunStore, open_page: Open) -> None:
    app = add(open_page("data"), pasted="Ada\nzoe\u0301\nma\ufeffry\nam\u200cy\nمی\u200cخواهم")
    assert "took out U+FEFF (zero width no-break space) once, in line 3" in said(app)
    assert "took out U+200C (zero width non-joiner) once, in line 4" in said(app)
    assert "composed 1 word to Unicode NFC; lower-cased 1 word." in said(app)
    assert "U+200C" in app.dataframe[0].value["symbol"].tolist()  # between Persian letters it stays, and is drawn
    field(app, "text_input", "Word").set_value("ZOE\u0301").run()
    assert app.dataframe[1].value["next"].tolist() == ["z", "o", "é", "."]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_b2_the_column_of_a_table_is_chosen_and_said(store: RunStore, open_page: Open, mark: str) -> None:
    rows = [("number", "name"), ("1", "Surado"), ("2", "Romon"), ("3", "Lizisun")]
    app = preview(open_page("data"), pasted="\n".join(mark.join(row) for row in rows))
    names = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
    assert f"a table with cells that end at {names[mark]}, column “name” (2 of 2)" in said(app)
    assert len(store.corpora()) == 1  # nothing is stored by looking
    field(app, "selectbox", "Column").set_value(0).run()
    assert "column “number” (1 of 2)" in said(app)
    field(app, "selectbox", "Column").set_value(1).run()
    field(app, "button", "Add corpus").click().run()
    assert store.corpus(store.corpora()["sha256"][0]).words == ("surado", "romon", "lizisun")


def test_a_ragged_table_and_a_guessed_encoding_are_said(store: RunStore, open_page: Open) -> None:
    app = preview(open_page("data"), file=b"ren\xe9\nzo\xe9\nanna\n")
    assert "Read as Latin-1 (a guess, because it is not UTF-8: line 1 has byte 0xe9): one word a line." in said(app)
    app.selectbox(key="reading_encoding").set_value("utf-8").run()
    assert "corpus line 1 must be UTF-8 text, got byte 0xe9" in app.error[0].value.replace("\\", "")
    ragged = preview(open_page("data"), file=b"name,n\na,1\nb,2\nc\nd,4\ne,5\n", called="own.csv")
    assert "table line 4 must have 2 cells as its first row, got 1" in ragged.error[0].value.replace("\\", "")
    assert len(store.corpora()) == 1


def test_words_that_are_stored_already_are_chosen_and_not_stored_again(store: RunStore, open_page: Open) -> None:
    sha256 = store.add_corpus(corpus_from_words(["ada", "eve", "ida"], "three"))
    app = preview(open_page("data"), pasted="Ada\nEve\nIda\n", name="mine")
    assert "These words are stored already, as “three”." in said(app)
    assert "Add corpus" not in [button.label for button in app.button]
    field(app, "button", "Choose it").click().run()
    assert not app.exception and sha256 in app.query_params["corpus"]
    assert metrics(app)["Words"] == "3" and len(store.corpora()) == 2
    assert field(app, "text_area", "Or paste a text").value == ""


def test_what_is_dropped_is_shown_with_examples_before_it_is_stored(store: RunStore, open_page: Open) -> None:
    app = preview(open_page("data"), pasted="anna7\nbo-b\ncleo\n42\nanna\n", keep="a-z", deduplicate=True)
    assert "took out 4 characters that are not among those to keep (7 - 4 2)" in said(app)
    table = next(frame.value for frame in app.dataframe if "reason" in frame.value)
    assert table.to_dict("list") == {"reason": ["blank", "duplicate"], "words": [1, 1], "for example": ["", "anna"]}
    app.text_input(key="reading_keep").set_value("z-a").run()
    assert "keep must have ranges from first to last, got 'z-a'" in app.error[0].value.replace("\\", "")
    assert len(store.corpora()) == 1


def test_capitals_stay_without_lower_casing(open_page: Open) -> None:
    app = add(open_page("data"), pasted="Ada\nada\nIda", lowercase=False)
    assert metrics(app)["Distinct words"] == "3"


def test_an_uploaded_file_is_named_after_itself(store: RunStore, open_page: Open) -> None:
    app = add(open_page("data"), file="\ufeffzoë\r\nanaïs\r\nloïs".encode())
    assert metrics(app)["Words"] == "3"
    assert "own" in store.corpora()["name"].tolist()


SHOWN = {what: case for what, case in BAD.items() if "column" not in case[1]}  # which is chosen from those there are


@pytest.mark.parametrize("what", SHOWN)
def test_a_bad_upload_says_why_and_harms_nothing(store: RunStore, open_page: Open, what: str) -> None:
    raw, options, sentence = SHOWN[what]
    app = open_page("data")
    before = store.corpora()["sha256"].tolist()
    preview(app, file=raw, **options)
    assert not [button for button in app.button if button.label == "Add corpus"]
    assert [error.value.replace("\\", "") for error in app.error] == [sentence]
    assert metrics(app)["Words"] == f"{len(NAMES):,}"
    assert store.corpora()["sha256"].tolist() == before


def test_a_file_over_the_limit_is_refused(store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    app = preview(open_page("data"), pasted="a" * (2**20 + 1))
    assert "corpus must have at most 1,048,576 bytes, got 1,048,577" in app.error[0].value.replace("\\", "")


def test_a_name_that_is_markup_is_shown_as_it_is(open_page: Open) -> None:
    app = add(open_page("data"), pasted="ada\nida\neve", name="**x** ![](http://a.b/c)" * 9)
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


def test_names_in_another_script_are_one_click_away(store: RunStore, open_page: Open) -> None:
    app = open_page("data")
    field(app, "button", "Greek names").click().run()
    assert not app.exception and metrics(app)["Words"] == "806" and metrics(app)["Vocabulary"] == "35"
    assert "Greek names" in store.corpora()["name"].tolist()
