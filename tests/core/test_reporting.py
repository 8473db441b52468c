"""Model card and lab report: their figures are the run's, and a report that was changed is found out."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mmcore.architectures import model_config
from mmcore.cli import app
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import corpus_from_words
from mmcore.evaluation import evaluate
from mmcore.export import FORMATS
from mmcore.export.reporting import report
from mmcore.jobs import run_inline
from mmcore.losses import SHOWN
from mmcore.ngram import NGram
from mmcore.store import RunStore
from mmcore.take_home import take_home
from mmcore.verifying import read_report
from tests.exported import trained

WORDS = ["anna", "bea", "cleo", "dora", "eve", "fay", "gina", "hedda", "ida", "june", "kim", "lea", "mia", "nora"] * 3


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    monkeypatch.setenv("MMCORE_STORE", url)
    return RunStore(url)


@pytest.fixture
def reported(store: RunStore, tmp_path: Path) -> Path:
    """The report.json of a run in the store."""
    sha256 = store.add_corpus(corpus_from_words(WORDS, "some"))
    model = model_config(context_size=2, embedding_dim=2, hidden_sizes=(6,))
    run = store.create(RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=40, batch_size=16)))
    run_inline(store, run.id)
    with zipfile.ZipFile(io.BytesIO(FORMATS["report"].write(take_home(store, run.id)))) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "report.json"


def verify(path: Path, *options: str) -> Any:
    return CliRunner().invoke(app, ["verify", str(path), *options])


def test_a_report_is_confirmed_by_training_again(reported: Path, store: RunStore) -> None:
    before = store.count()
    found = verify(reported)
    assert found.exit_code == 0, found.output
    losses = json.loads(reported.read_text())["losses"]
    for name, loss in losses.items():
        assert f"{name.replace('_', ' ')}: reported {loss:.4f}, now {loss:.4f}, confirmed" in found.stdout
    assert "samples: 20 of 20 are the same" in found.stdout
    assert store.count() == before, "nothing is kept"


def test_a_changed_figure_is_denied(reported: Path) -> None:
    values = json.loads(reported.read_text())
    values["losses"]["val_loss"] -= 0.02
    reported.write_text(json.dumps(values))
    found = verify(reported)
    assert found.exit_code == 1 and "denied: they differ by 0.0200" in found.stdout
    assert "train loss" in found.stdout and "confirmed" in found.stdout


def test_a_report_of_other_words_is_refused(reported: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x\ny\nz\n")
    found = verify(reported, "--data", str(tmp_path / "other.txt"))
    assert found.exit_code == 2 and "corpus must be the one with sha256" in found.stderr
    (tmp_path / "same.txt").write_text("\n".join(WORDS))
    assert verify(reported, "--data", str(tmp_path / "same.txt")).exit_code == 0


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, "report must be JSON"),
    "list": ([], "report must be a JSON object of the format"),
    "format": ({"format": "x"}, "report must be a JSON object of the format"),
    "losses": ({"losses": {"val_loss": "low"}}, "losses must be some of"),
    "sealed": ({"losses": {"test_loss": 2.0}}, "losses must be some of"),
    "step": ({"step": -1}, "step must be a whole number"),
    "stopped": ({"step": 39}, "report must be of a run that went on to its last step, 40, got 39"),
    "config": ({"config": {"model": 3}}, "must"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_report_gets_a_sentence(reported: Path, name: str) -> None:
    change, sentence = WRONG[name]
    values = json.loads(reported.read_text())
    text = "{" if change is None else json.dumps(values | change if isinstance(change, dict) else change)
    reported.write_text(text)
    found = verify(reported)
    assert found.exit_code == 2 and sentence in found.stderr and found.stderr.count("\n") == 1, found.stderr


def test_the_figures_are_those_of_the_run() -> None:
    run = trained(model_config(context_size=2, embedding_dim=2, hidden_sizes=(6,)), WORDS)
    found, data = report(run), run.dataset
    assert found["losses"] == {name: run.artifact.losses[name] for name in found["losses"]}
    assert {"train_loss", "val_loss"} <= found["losses"].keys() <= set(SHOWN)
    low, high = found["intervals"]["val_loss"]
    assert low < evaluate(run.artifact.model, data.val).loss < high
    assert found["references"]["Bigram"] == pytest.approx(NGram(data.train, 1).loss(data.val))
    assert [point["step"] for point in found["curve"]] == [0, 5, 20]


def test_a_card_loads_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(model_config(context_size=2, embedding_dim=2, hidden_sizes=(6,)), WORDS)
    card = FORMATS["card"].write(run).decode()
    assert f"| Validation | {run.artifact.losses['val_loss']:.4f} |" in card and run.corpus.sha256 in card
    (tmp_path / "weights.safetensors").write_bytes(FORMATS["weights"].write(run))
    monkeypatch.chdir(tmp_path)
    [code] = [part.removeprefix("python\n") for part in card.split("```") if part.startswith("python\n")]
    torch.manual_seed(0)
    exec(compile(code, "card", "exec"), {})


def test_a_run_that_went_astray_has_a_card_and_no_infinite_figure() -> None:
    run = trained(model_config(context_size=2, embedding_dim=2, hidden_sizes=(6,)), WORDS)
    losses = {name: np.inf for name in run.artifact.losses}
    astray = dataclasses.replace(run, artifact=dataclasses.replace(run.artifact, losses=losses))
    assert "the training went astray" in FORMATS["card"].write(astray).decode()
    text = FORMATS["report"].write(astray)
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        assert json.loads(archive.read("report.json"))["losses"] == {}


def test_a_report_is_read_from_a_file(reported: Path) -> None:
    assert read_report(reported).step == 40
