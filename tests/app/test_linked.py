"""What a page shows is in its address: it comes back from there, and nonsense gives what a field begins with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunConfig, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.app.conftest import ROOT, Open, texts
from tests.app.said import said
from ui.form.address import in_address

NONSENSE = "nonsense\u202e" * 300
SHOWN: dict[str, dict[str, tuple[str, Any]]] = {  # page -> name in the address -> text, and what its field then has
    "under_the_hood": {
        "view": ("Backward", "Backward"),
        "word": ("ava", "ava"),
        "position": ("2", 1),
        "operation": ("dW2", "dW2"),
    },
    "embeddings": {
        "view": ("t-SNE", "t-SNE"),
        "map_seed": ("7", 7),
        "colour": ("My own set", "My own set"),
        "set": ("xyz", "xyz"),
        "character": ("", ""),
        "metric": ("euclidean", "euclidean"),
    },
    "neurons": {"unit": ("3", 3), "examples": ("500", 500), "history": ("1", True)},
    "splits": {"order": ("2", 2), "weight": ("0.25", 0.25), "anatomy": ("1", True)},
    "generate": {
        "temperature": ("0.5", 0.5),
        "top_k": ("4", 4),
        "prefix": ("mar", "mar"),
        "count": ("7", 7),
        "sample_seed": ("3", 3),
        "max_length": ("9", 9),
        "scored": ("olivia", "olivia"),
    },
}
VIEWS: dict[str, dict[str, tuple[str, Any]]] = {  # of Network
    "Gradient check": {"examples": ("A batch", "A batch"), "batch": ("8", 8), "batch_seed": ("1", 1)},
    "Update": {"rate": ("-2.5", -2.5)},
    "Stable softmax": {"scale": ("3.5", 3.5)},
    "What if": {
        "unit": ("2", 2),
        "tensor": ("W1", "W1"),
        "at_row": ("1", 1),
        "at_column": ("2", 2),
        "add": ("-3", -3.0),
    },
}
CASES = [*SHOWN.items(), *(("under_the_hood", {"view": (view, view)} | own) for view, own in VIEWS.items())]
every_case = pytest.mark.parametrize(("page", "fields"), CASES, ids=[" ".join([p, *f]) for p, f in CASES])


def query(app: AppTest, name: str) -> str | None:
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def said_of(app: AppTest) -> str:
    return "\n".join(said(app))


def held(app: AppTest, name: str) -> Any:
    """What the field has that is kept under a name."""
    key, _ = app.session_state["linked_written"][name]
    return app.session_state[key]


@every_case
def test_what_was_shown_comes_back_from_the_address(
    finished: Run, open_page: Open, page: str, fields: dict[str, tuple[str, Any]]
) -> None:
    app = open_page(page, run=finished.id, **{name: text for name, (text, _) in fields.items()})
    assert not app.exception and not app.warning
    for name, (text, value) in fields.items():
        assert query(app, name) == text and held(app, name) == value, name


@every_case
def test_nonsense_gives_what_the_field_begins_with_and_a_note_that_names_it(
    finished: Run, open_page: Open, page: str, fields: dict[str, tuple[str, Any]]
) -> None:
    opening = {"view", "colour", "examples", "tensor", "anatomy", "history"}  # shows the fields below it
    for name in fields:
        for text in (NONSENSE, "nan", "-1e999", "9" * 5_000):
            if text in ("nan", "-1e999") and name in ("set", "word", "prefix", "scored"):
                continue  # text may be so
            shown = {one: text for one, (text, _) in fields.items() if one in opening and one != name}
            app = open_page(page, run=finished.id, **shown, **{name: text})
            assert not app.exception, name
            (note,) = [warning.value for warning in app.warning]
            sentence = note.replace("\\", "")
            assert re.match(rf"In the address, {name} must be .+, got .+ Using .+\.", sentence, re.DOTALL), sentence
            assert len(sentence) < 700 and query(app, name) is None


def test_what_a_visitor_chooses_is_in_the_address_unless_it_is_what_the_field_begins_with(
    finished: Run, open_page: Open
) -> None:
    app = open_page("generate", run=finished.id)
    assert set(app.query_params) == {"run"}
    app.number_input(key="temperature").set_value(0.7).run()
    app.text_input(key="prefix").set_value("mar").run()
    assert (query(app, "temperature"), query(app, "prefix")) == ("0.7", "mar")
    app.switch_page("app_pages/splits.py").run()
    assert query(app, "temperature") is None
    app.switch_page("app_pages/generate.py").run()
    assert (query(app, "temperature"), query(app, "prefix")) == ("0.7", "mar"), "as the fields, which have kept it"
    app.number_input(key="temperature").set_value(1.0).run()
    assert query(app, "temperature") is None and query(app, "prefix") == "mar"


def test_a_position_belongs_to_its_word_and_an_operation_to_its_view(finished: Run, open_page: Open) -> None:
    app = open_page("under_the_hood", run=finished.id, word="olivia", position="6", operation="p")
    assert not app.warning and (query(app, "position"), query(app, "operation")) == ("6", "p")
    app.text_input(key="hood_word").set_value("ava").run()
    assert not app.warning and query(app, "position") is None and query(app, "word") == "ava"
    app.get("button_group")[0].set_value("Backward").run()
    assert not app.warning and query(app, "operation") is None and query(app, "view") == "Backward"
    app.get("button_group")[0].set_value("Stable softmax").run()
    assert set(app.query_params) == {"run", "word", "view"}


def test_fields_lead_once_they_have_obeyed_an_address(finished: Run, open_page: Open) -> None:
    """With what it asks for a browser sends the address it has by then: that of before, on a slow line."""
    app = open_page("under_the_hood", run=finished.id, word="ava", view="Backward", operation="db2")
    assert held(app, "view") == "Backward" and not app.warning
    for address in ({}, {"word": "olivia"}, {"word": "ava", "view": "Forward"}, {"operation": "p", "scale": "9"}):
        app.query_params.clear()
        app.query_params.update({"run": finished.id} | address)
        app.run()
        assert not app.warning and (held(app, "word"), held(app, "operation")) == ("ava", "db2")
        assert app.query_params == {"run": finished.id, "word": "ava", "view": "Backward", "operation": "db2"} | (
            {"scale": "9"} if "scale" in address else {}
        )


def test_no_name_is_that_of_a_setting_or_of_the_frame() -> None:
    """A setting in an address is a run's."""
    sources = [path.read_text() for folder in ("ui", "app_pages") for path in Path(ROOT / folder).rglob("*.py")]
    names = {name for source in sources for name in re.findall(r'linked\.keep\(\s*"(\w+)"', source)}
    assert {"view", "word", "temperature"} <= names
    names |= {"log_x", "log_y", "left", "right", "at_row", "at_column"}
    everything = dict.fromkeys([*names, "architecture"], "1")
    assert set(in_address(everything)) == {"architecture"}
    assert not names & {"run", "runs", "step", "corpus", "corpus_name", "corpus_items", "sweep", "lesson"}


def test_what_is_folded_is_in_the_address_too(finished: Run, open_page: Open) -> None:
    assert "Mix the run" in said_of(open_page("splits", run=finished.id))
    app = open_page("splits", run=finished.id, counting="0")
    assert query(app, "counting") == "0" and "Mix the run" not in said_of(app)


def test_a_number_that_another_run_does_not_allow_is_no_error(finished: Run, store: RunStore, open_page: Open) -> None:
    small = corpus_from_words(["ab", "ba", "aab", "bba", "abab", "baba", "aa", "bb", "abb", "baa"], "small")
    model = model_config(embedding_dim=2, hidden_sizes=(3,))
    config = RunConfig(corpus_sha256=store.add_corpus(small), model=model, train=TrainConfig(max_steps=2))
    other = run_inline(store, store.create(config).id)
    app = open_page("generate", run=finished.id, top_k="27")
    assert query(app, "top_k") == "27" and "are new" in texts(app)
    app.selectbox(key="run_choice").set_value(other.id).run()
    assert not app.exception and "are new" in texts(app)
    assert query(app, "top_k") in (None, "3")
