"""What the screens answer in plain words, without reading code; altering the model alters the answer.

Every number is computed again here, in numpy, from the run's weights, its seed or its curve.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from mmcore import Model, ModelConfig, Run, RunConfig, RunStore, TrainConfig, corpus_from_words, load, read_words
from mmcore.architectures import model_config
from mmcore.corpus import BUNDLED_NAMES
from mmcore.dataset import build_dataset
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts

NAMES = read_words(BUNDLED_NAMES).words


def trained(store: RunStore, words: Sequence[str], model: ModelConfig, train: TrainConfig) -> Run:
    sha256 = store.add_corpus(corpus_from_words(words, "words"))
    return run_inline(store, store.create(RunConfig(corpus_sha256=sha256, model=model, train=train)).id)


def said(open_page: Open, page: str, run: Run, **state: object) -> str:
    """All that a page says, as one reads it."""
    app = open_page(page, run=run.id)
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception
    return texts(app).replace("\\", "").replace("*", "")


def hidden(p: dict[str, NDArray[np.float64]], contexts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The tanh layer's outputs (B, H)."""
    return np.asarray(np.tanh(p["C"][contexts].reshape(len(contexts), -1) @ p["W1"] + p["b1"]))


def chances(p: dict[str, NDArray[np.float64]], contexts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities (B, V) of what comes next."""
    powers = np.exp(hidden(p, contexts) @ p["W2"] + p["b2"])
    return np.asarray(powers / powers.sum(1, keepdims=True))


def tensors(model: Model) -> dict[str, NDArray[np.float64]]:
    return {name: tensor.double().numpy() for name, tensor in model.tensors.items()}


def weights(store: RunStore, run: Run) -> dict[str, NDArray[np.float64]]:
    saved = store.weights(run.id)
    assert saved is not None
    return tensors(load(saved).model)


def test_why_is_the_first_loss_near_3_3_or_far_above_it(open_page: Open, store: RunStore) -> None:
    for init, phrase in (("scaled", "next to ln 27"), ("lecture", "the model is overconfident. A loss above")):
        run = trained(store, NAMES, model_config(init=init), TrainConfig(max_steps=3))
        start = tensors(Model(run.config.model, 27, seed=run.config.train.seed))
        train = build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, 3).train
        p = chances(start, train.contexts)
        loss = -np.log(p[np.arange(len(p)), train.targets]).mean()
        products = 200 * (hidden(start, train.contexts) ** 2).mean() * (start["W2"] ** 2).mean()
        expected = math.sqrt(products + (start["b2"] ** 2).mean())
        for page, state in (("train", {}), ("under_the_hood", {"hood_view": "First loss"})):
            text = said(open_page, page, run, **state)
            told = re.search(r"Before the first update the loss is ([\d.]+).*?ln 27 = 3\.2958.*?σ = ([\d.]+)", text)
            assert told is not None and phrase in text, page
            assert float(told[1]) == pytest.approx(loss, abs=2e-4)
            assert (abs(loss - math.log(27)) < 0.1) == (init == "scaled")
            favourite = re.search(r"([\d.]+) % on average \(of 2,000 train examples\)", text)
            assert favourite is not None and float(favourite[1]) == pytest.approx(100 * p.max(1).mean(), rel=0.05)
        reason = re.search(r"adds up 200 hidden outputs .* = ([\d.]+)\. Smaller output weights", text)
        assert reason is not None and float(reason[1]) == pytest.approx(expected, rel=0.05)
        assert float(reason[1]) == pytest.approx(float(told[2]), rel=0.2), "the sum explains the spread"


def test_which_units_are_dead(open_page: Open, store: RunStore) -> None:
    found = []
    for rate in (0.02, 1.0):
        train = TrainConfig(max_steps=300, learning_rate=rate)
        run = trained(store, NAMES[:5_000], model_config(hidden_sizes=(60,)), train)
        data = build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, 3).train
        rows = np.random.default_rng(0).integers(len(data), size=2_000)  # the page's own draw
        stuck = (np.abs(hidden(weights(store, run), data.contexts[rows])) > 0.97).mean(0)
        dead = np.flatnonzero(stuck == 1).tolist()
        text = said(open_page, "neurons", run)
        if dead:
            verb = "is" if len(dead) == 1 else "are"
            assert f"{len(dead)} of 60 units {verb} dead: {', '.join(map(str, dead))}." in text
            assert "next to no gradient reaches" in text
        else:
            assert f"No unit is dead. The one most often stuck is unit {stuck.argmax()}: " in text
            assert f"on {100 * stuck.max():.1f} % of the 2,000 examples" in text
        found.append(len(dead))
    assert found[0] == 0 < found[1], "a rate that throws units away, and one that does not"


def test_why_does_validation_rise_while_train_falls(open_page: Open, store: RunStore) -> None:
    memorises = trained(store, NAMES[:400], model_config(), TrainConfig(max_steps=2_000, learning_rate=0.03))
    held_back = trained(
        store, NAMES[:400], model_config(hidden_sizes=(8,)), TrainConfig(max_steps=200, weight_decay=3.0)
    )
    curve = store.history(memorises.id).dropna(subset=["val_loss", "train_loss"])
    best, last = curve.loc[curve["val_loss"].idxmin()], curve.iloc[-1]
    examples = len(build_dataset(store.corpus(memorises.config.corpus_sha256), memorises.config.split, 3).train)
    for page in ("splits", "train"):
        assert (
            f"Validation loss was lowest, {best.val_loss:.4f}, at step {int(best.step):,}; by step 2,000 it rose to "
            f"{last.val_loss:.4f} while train loss fell from {best.train_loss:.4f} to {last.train_loss:.4f}. That is "
            "overfitting: what was learned in between lowers the mean loss of the train words and raises that of the "
            f"validation words. The model has 11,897 parameters for {examples:,} train examples."
        ) in said(open_page, page, memorises)
        text = said(open_page, page, held_back)
        assert "it rose to" not in text
        losses = held_back.losses
        assert f"ended at {losses['val_loss']:.4f}, within 0.01 of its lowest, and train loss at " in text
        assert f"{losses['train_loss']:.4f}, at step 200" in text


def test_what_does_the_model_believe_after_mar(open_page: Open, store: RunStore) -> None:
    sentences = []
    for words in (NAMES[:5_000], ["mark", "markus", "marko", "martin", "mara", "omar", "lamar", "marvin"] * 20):
        run = trained(store, words, model_config(), TrainConfig(max_steps=300))
        symbols = ["", *sorted(set("".join(words)))]
        p = chances(weights(store, run), np.array([[symbols.index(c) for c in "mar"]]))[0]
        app = open_page("generate", run=run.id)
        app.text_input(key="prefix").set_value("mar").run()
        text = texts(app).replace("\\", "")
        order = np.argsort(-p)[:4]
        named = [f"{symbols[i] or 'the end of the word'} with {100 * p[i]:.1f} %" for i in order]
        sentence = f"After “mar” the model expects {', '.join(named[:-1])} and {named[-1]}."
        assert sentence in text
        ends = f"The word ends here with {100 * p[0]:.1f} %"
        assert ends in text or ("the end of the word" in sentence and "ends here" not in text)
        assert not app.exception and app.text[0].value == ".mar"
        sentences.append(sentence)
    assert sentences[0] != sentences[1]
    app.text_input(key="prefix").set_value("mär").run()
    assert len(app.error) == 1 and "ä" in app.error[0].value and "After “" not in texts(app)
