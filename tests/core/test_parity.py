"""Published results against ours: the quick rows, on a list that someone brings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks import parity
from mmcore.architectures import model_config
from mmcore.config import TrainConfig
from mmcore.corpus import Corpus, read_words
from mmcore.dataset import Dataset
from mmcore.model import Model
from mmcore.schedules import learning_rate_at
from mmcore.train_state import TrainState

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results and page are written to."""
    monkeypatch.setattr(parity, "RESULTS", tmp_path / "results" / "parity.json")
    monkeypatch.setattr(parity, "PAGE", tmp_path / "PARITY.md")
    return tmp_path


def test_make_hands_the_list_on() -> None:
    make = ["make", "-n", "parity", "DATA=my/names.txt", "AGAIN=1"]
    command = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    assert "-m benchmarks.parity --again --data my/names.txt" in command.stdout


def test_someones_list_gets_a_table_of_its_own(folder: Path, names: Corpus) -> None:
    mine = folder / "mine.txt"
    mine.write_text("\n".join(names.words[:300]), encoding="utf-8")
    parity.main(["uniform", "bigram-counted", "--seeds", "1", "--data", str(mine)])
    parity.main(["uniform", "bigram-descent", "--seeds", "1,2"])
    results = json.loads((folder / "results" / "parity.json").read_text())
    assert set(results) == {read_words(mine).sha256, names.sha256}
    assert set(results[read_words(mine).sha256]["rows"]) == {"uniform", "bigram-counted"}
    descent = results[names.sha256]["rows"]["bigram-descent"]
    assert [descent[seed]["train_loss"] for seed in ("1", "2")] == pytest.approx([2.4818, 2.4818], abs=0.002)
    page = (folder / "PARITY.md").read_text()
    assert "## mine, 300 words" in page and "## names, 32,257 words" in page
    rows = [line for line in page.splitlines() if line.startswith("| Uniform")]
    assert len(rows) == 2 and "| train 3.2958 | 1 | 0 | yes |" in rows[1], "26 letters and the boundary"
    assert page.count("| not measured |") == 2 * len(parity.ROWS) - 4


def test_what_is_known_is_not_measured_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for again, printed in ([], True), ([], False), (["--again"], True):
        parity.main(["bigram-counted", "bigram-floor", *again])
        assert bool(capsys.readouterr().out) == printed
    page = (folder / "PARITY.md").read_text()
    assert "give 2.4544 on these words" in page
    with pytest.raises(SystemExit):
        parity.main(["bigramm"])


def test_part_5_lowers_the_rate_after_150_000_of_its_200_000_updates(small: Dataset) -> None:
    rates = [learning_rate_at(parity.PART5_LOOP, step) for step in (0, 149_999, 150_000, parity.PART5_STEPS - 1)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01])
    state = TrainState(model_config(hidden_sizes=(4,)), TrainConfig(max_steps=30), small.vocab.size)
    parity.run(state, small, stop=20)
    assert state.step == 20


def test_part_5_starts_without_the_gain_of_tanh() -> None:
    model = Model(model_config(architecture="wavenet"), 27, 1)
    p = {name: tensor.clone() for name, tensor in model.tensors.items()}
    parity.no_gain(model)
    for name, tensor in model.tensors.items():
        assert torch.allclose(tensor, p[name] * (0.6 if name in ("W1", "W2", "W3") else 1)), name
    assert model.tensors["W2"].std().item() == pytest.approx(1 / 16, rel=0.02)
