"""The model card and the lab report: what they say is the run's, and ``verify`` finds out where it is not."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmcore.architectures import model_config
from mmcore.cli import app
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import corpus_from_words
from mmcore.evaluation import bootstrap_interval, word_losses
from mmcore.export import FORMATS
from mmcore.export.figures import figures
from mmcore.export.report import Purpose, read_report, report_files
from mmcore.export.trained import Trained
from mmcore.jobs import run_inline
from mmcore.ngram import NGram
from mmcore.store import RunStore
from mmcore.take_in import take_in
from tests.exported import trained

WORDS = ["anna", "bea", "cleo", "dora", "eve", "fay", "gina", "hedda", "ida", "june", "kim", "lea", "a|b", "*c*"] * 3
MODEL = model_config(context_size=2, embedding_dim=3, hidden_sizes=(5,))


@pytest.fixture(scope="module")
def mine() -> Trained:
    return trained(MODEL, WORDS)


def files_of(run: Trained, purpose: Purpose | None = None) -> tuple[dict[str, Any], str]:
    files = report_files(run, purpose)
    return json.loads(files["report.json"]), files["report.md"].decode()


def test_a_card_says_what_the_run_is(mine: Trained) -> None:
    card = FORMATS["card"].write(mine).decode()
    val, losses = mine.dataset.val, mine.artifact.losses
    low, high = bootstrap_interval(*word_losses(mine.artifact.model, val))
    assert f"| Validation loss | {losses['val_loss']:.4f} | {low:.4f} to {high:.4f} | {len(val):,} |" in card
    assert f"| Bigram counts, validation | {NGram(mine.dataset.train, 1).loss(val):.4f} |" in card
    assert mine.config.corpus_sha256 in card and "| Words | 42 |" in card
    assert "test_loss" not in card


def test_a_card_of_running_text_speaks_of_sentences() -> None:
    sentences = [f"{first} sees {second}" for first in WORDS[:6] for second in WORDS[6:12]]
    card = FORMATS["card"].write(trained(MODEL, corpus_from_words(sentences, "text", "words"))).decode()
    assert "| Sentences | 36 |" in card and "bootstraps over sentences" in card and "200 sentences drawn" in card


def test_what_markdown_would_read_is_shown_as_it_is(mine: Trained) -> None:
    card = FORMATS["card"].write(dataclasses.replace(mine, name="<b>*my*\n| run</b>")).decode()
    assert card.startswith("# \\<b\\>\\*my\\* \\| run\\</b\\>\n")
    assert r"symbols | . \* a b c" in card and r" \| |" in card


def test_words_that_train_does_not_have_are_a_figure_of_their_own() -> None:
    run = trained(MODEL, [f"{first}{second}" for first in "abcdefgh" for second in "klmnop"])
    assert figures(run)["val_loss_unseen"].loss == pytest.approx(run.artifact.losses["val_loss_unseen"], abs=1e-6)


def test_a_report_has_the_run_its_purpose_and_what_differs(mine: Trained) -> None:
    other = trained(MODEL.replace(embedding_dim=2), WORDS, learning_rate=0.1)
    values, text = files_of(mine, Purpose(question="Is 3 better?", prediction="Yes", against=other))
    assert RunConfig.from_dict(values["config"]) == mine.config
    known = {name: figure["loss"] for name, figure in values["losses"].items()}
    exact = {name: pytest.approx(loss, abs=1e-6) for name, loss in mine.artifact.losses.items()}
    assert known == exact | {name: known[name] for name in ("bigram", "kneser_ney")}
    differences = {row["setting"]: (row["this"], row["other"]) for row in values["against"]["differences"]}
    assert differences == {"Embedding dimension": ("3", "2"), "Learning rate": ("0.02", "0.1")}
    assert len(values["curve"]) == len(mine.curve) and len(values["samples"]) == 20
    assert "## Question\n\nIs 3 better?" in text and "| Embedding dimension | 3 | 2 |" in text
    assert "## Question" not in files_of(mine)[1]


# ---- verified


class Lab:
    """A store with a run in it, and a report of that."""

    def __init__(self, folder: Path) -> None:
        store = RunStore()
        corpus = corpus_from_words(WORDS, "some")
        train = TrainConfig(max_steps=20, batch_size=16)
        config = RunConfig(corpus_sha256=store.add_corpus(corpus), model=MODEL, train=train)
        self.run = run_inline(store, store.create(config).id)
        self.file = folder / "report.json"
        written = self.call("report", self.run.id, "--out", str(folder), "--question", "Why?")
        assert written.output.split() == [str(self.file), str(folder / "report.md")]

    def call(self, *arguments: str) -> Any:
        return CliRunner().invoke(app, arguments)

    def change(self, **values: Any) -> None:
        self.file.write_text(json.dumps(json.loads(self.file.read_text()) | values))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("MMCORE_STORE", str(tmp_path / "store.sqlite"))
    return Lab(tmp_path)


def test_a_report_is_confirmed_figure_by_figure_and_one_that_is_wrong_denied(lab: Lab) -> None:
    found = lab.call("verify", str(lab.file))
    losses = json.loads(lab.file.read_text())["losses"]
    assert (found.exit_code, found.stdout.count("Confirmed. ")) == (0, len(losses) + 1)
    losses["val_loss"]["loss"] += 0.1
    lab.change(losses=losses)
    denied = lab.call("verify", str(lab.file))
    assert denied.exit_code == 1
    assert [line.split(":")[0] for line in denied.stdout.splitlines() if line.startswith("Denied. ")] == [
        "Denied. Validation loss",
    ]


def test_a_report_of_a_run_that_was_stopped_is_refused(lab: Lab) -> None:
    lab.change(run={"step": 19})
    found = lab.call("verify", str(lab.file))
    said = "Error: report must be of a run that made all its 20 steps, got 'one of 19'"
    assert found.exit_code == 2 and said in found.stderr


def longer(lab: Lab, **changed: Any) -> Lab:
    """The report of a run that was trained twice as long when it had ended."""
    store = RunStore()
    config = lab.run.config.replace(train=lab.run.config.train.replace(**changed))
    run = run_inline(store, store.create(config).id)
    run = run_inline(store, store.continue_run(run.id, max_steps=40).id)
    lab.call("report", run.id, "--out", str(lab.file.parent))
    return lab


@pytest.mark.parametrize("schedule", ["one-cycle", "step", "linear"])
def test_a_run_that_was_trained_longer_on_another_schedule_is_not_denied_but_said_to_be_unverifiable(
    lab: Lab, schedule: str
) -> None:
    found = longer(lab, schedule=schedule).call("verify", str(lab.file))
    assert found.exit_code == 2 and "Denied" not in found.stdout
    said = r"Error: report cannot be verified by training its run anew: its learning rate at step [\d,]+ was \S+ where"
    assert re.search(said, found.stderr)
    assert "It cannot be verified by training it anew: its learning" in lab.file.with_suffix(".md").read_text()


@pytest.mark.parametrize("schedule", ["constant", "inverse-time"])
def test_a_run_that_was_trained_longer_on_the_same_schedule_is_confirmed(lab: Lab, schedule: str) -> None:
    found = longer(lab, schedule=schedule, decay_rate=0.1).call("verify", str(lab.file))
    assert found.exit_code == 0 and "Denied" not in found.stdout
    assert "This trains it anew" in lab.file.with_suffix(".md").read_text()


def test_a_run_that_goes_on_from_a_file_of_weights_is_not_denied_but_said_to_be_unverifiable(lab: Lab) -> None:
    store = RunStore()
    config = lab.run.config.replace(train=lab.run.config.train.replace(schedule="constant"))
    made = run_inline(store, store.create(config).id)
    taken = take_in(store, store.weights(made.id) or b"", name="taken in")
    run = run_inline(store, store.continue_run(taken.id, max_steps=40).id)
    lab.call("report", run.id, "--out", str(lab.file.parent))
    found = lab.call("verify", str(lab.file))
    assert found.exit_code == 2 and "Denied" not in found.stdout
    assert "its curve begins at step 20, as that of a run that goes on from a file of weights" in found.stderr
    assert "It cannot be verified by training it anew: its curve begins" in lab.file.with_suffix(".md").read_text()


def test_a_report_of_other_words_is_refused(lab: Lab, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("some\nother\nwords\n")
    found = lab.call("verify", str(lab.file), "--data", str(words))
    assert found.exit_code == 2 and "Error: words must be those with the sha256 " in found.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "x"}, "report format must be makemore-lab-report/1, got 'x'"),
        ({"config": 3}, "config must be a table of settings, got 3"),
        ({"run": {}}, "step must be a whole number from 0 to 9,007,199,254,740,992, got None"),
        ({"config": {}}, "RunConfig fields must be at least corpus_sha256, got []"),
        ({"losses": {}}, "losses must be at least one figure by name, got {}"),
        ({"losses": {"val_loss": {"loss": "low"}}}, "loss val_loss must be a finite number, got 'low'"),
    ],
)
def test_a_report_that_does_not_fit_is_refused(mine: Trained, tmp_path: Path, change: Any, said: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(files_of(mine)[0] | change))
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        read_report(file)


@given(content=st.binary(max_size=40))
def test_no_bytes_but_a_report_are_read_as_one(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="report"):
        read_report(file)
