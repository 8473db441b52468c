"""Generate's lower half: the score of a word, and the audit of samples."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch

from mmcore import Run, RunStore, load, split_words
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, numbers, without_help
from ui.generate.audit import compared
from ui.generate.scoring import percent, place


def test_a_word_is_scored_in_a_strip_with_text(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    app.text_input(key="scored").set_value("mia").run()
    weights = store.weights(finished.id)
    assert weights is not None
    p = load(weights).model(torch.tensor([[0, 0, 0], [0, 0, 13], [0, 13, 9], [13, 9, 1]])).detach().double().softmax(1)
    own = [p[row, i].item() for row, i in enumerate([13, 9, 1, 0])]
    drawn = figure(app, len(app.get("plotly_chart")) - 1)
    assert drawn["layout"]["title"]["text"] == "Surprise at each letter"
    assert numbers(drawn["data"][0]["z"])[0].tolist() == pytest.approx([-math.log(q) for q in own], abs=1e-5)
    assert drawn["data"][0]["text"][0][0] == f"<b>m</b><br>{percent(own[0])}<br>{-math.log(own[0]):.2f}"
    said = texts(app).replace("\\", "")
    assert f"Surprisal {-sum(map(math.log, own)):.3f} nats in all" in said
    assert "of the validation words" in said and "where it expected" in said


def test_a_word_the_model_cannot_spell_gets_a_sentence_and_a_long_one_several_rows(
    finished: Run, open_page: Open
) -> None:
    app = open_page("generate", run=finished.id)
    app.text_input(key="scored").set_value("Ω").run()
    assert "must be in the vocabulary" in app.error[0].value
    app.text_input(key="scored").set_value("abcdefghijklmnopqrstuvwxyz").run()
    assert not app.error
    assert len(figure(app, len(app.get("plotly_chart")) - 1)["data"][0]["z"]) == 3


def test_the_audit_says_what_is_new(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    before = len(app.get("plotly_chart"))
    app.session_state["audit"] = True
    app.run()
    assert not app.exception and len(app.get("plotly_chart")) == before + 3
    app.number_input(key="audit_n").set_value(40)
    app.number_input(key="audit_seed").set_value(2)
    app.number_input(key="audit_temperature").set_value(0.5).run()
    near = next(frame.value for frame in app.dataframe if "edits" in frame.value)
    train = set(split_words(store.corpus(finished.config.corpus_sha256).words, finished.config.split).train)
    assert len(near) == 20 and set(near["nearest"]) <= train
    assert ((near["edits"] == 0) == near["sample"].isin(train)).all()
    curves = {trace["name"]: numbers(trace["y"]) for trace in figure(app, before)["data"]}
    total = curves["New"] + curves["In train"] + curves["In validation or test"]
    assert total == pytest.approx(100)
    assert without_help(app) == []
    assert field(app, "number_input", "Words per temperature").value == 40


@pytest.mark.parametrize(
    ("context", "said"), [("...", "at the start"), ("..e", "after .e"), ("emm", "after emm"), ("..“.”", "after .“.”")]
)
def test_a_place_in_a_word_is_said_without_its_padding(context: str, said: str) -> None:
    assert place(context) == said


@pytest.mark.parametrize(
    ("keys", "step"), [([*"abcdefghijklmnopqrstuvwxyz"], 1), (list(range(16)), 1), (list(range(35)), 7)]
)
def test_labels_below_bars_leave_each_other_room(keys: list[object], step: int) -> None:
    shares = pd.DataFrame({"key": keys, "samples": 1.0, "corpus": 1.0})
    assert compared(shares, "key", "Length", "light").layout.xaxis.dtick == step


@pytest.mark.parametrize(("p", "text"), [(0.4567, "46 %"), (0.0213, "2.1 %"), (0.000034, "0.003 %")])
def test_a_probability_in_few_characters(p: float, text: str) -> None:
    assert percent(p) == text
