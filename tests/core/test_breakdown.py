"""The loss taken apart, against loops, and put together again."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch

from mmcore.architectures import model_config
from mmcore.breakdown import BINS, Breakdown, expected_calibration_error
from mmcore.config import TrainConfig
from mmcore.dataset import Dataset
from mmcore.evaluation import evaluate
from mmcore.model import MLP
from mmcore.train_state import TrainState
from mmcore.training import Pace, train


@pytest.fixture(scope="module")
def model(small: Dataset) -> MLP:
    state = TrainState(model_config(hidden_sizes=(20,)), TrainConfig(max_steps=60), small.vocab.size)
    list(train(state, small, pace=Pace(losses=False)))
    return state.model


@pytest.fixture(scope="module")
def parts(model: MLP, small: Dataset) -> Breakdown:
    return Breakdown.of(model, small.val)


def test_every_part_adds_up_to_the_whole(parts: Breakdown, model: MLP, small: Dataset) -> None:
    whole = evaluate(model, small.val).loss
    for table in (parts.by_position(), parts.by_length(), parts.by_character(small.vocab)):
        assert table["examples"].sum() == len(small.val)
        assert np.average(table["loss"], weights=table["examples"]) == pytest.approx(whole, abs=1e-6)
    assert parts.by_character(small.vocab)["share"].sum() == pytest.approx(1)


def test_parts_are_those_of_a_loop_over_words(parts: Breakdown, model: MLP, small: Dataset) -> None:
    positions, lengths, words = defaultdict(list), defaultdict(list), {}
    confused: Counter[tuple[str, str]] = Counter()
    for word in small.val.words:
        ids, losses = [0, 0, 0, *small.vocab.encode(word), 0], []
        for at in range(3, len(ids)):
            log_p = model(torch.tensor([ids[at - 3 : at]])).detach().double().log_softmax(1)[0]
            losses.append(-log_p[ids[at]].item())
            positions[at - 2].append(losses[-1])
            if int(log_p.argmax()) != ids[at]:
                confused[small.vocab.symbols[ids[at]], small.vocab.symbols[int(log_p.argmax())]] += 1
        lengths[len(word)] += losses
        words[word] = np.mean(losses)
    for table, expected in ((parts.by_position(), positions), (parts.by_length(), lengths)):
        found = dict(table.iloc[:, :2].itertuples(index=False))
        assert found == pytest.approx({key: np.mean(values) for key, values in sorted(expected.items())}, abs=1e-5)
    hardest = parts.words()
    assert dict(zip(hardest["word"], hardest["loss"], strict=True)) == pytest.approx(words, abs=1e-5)
    assert hardest["loss"].is_monotonic_decreasing
    top = parts.confusions(small.vocab, 5)
    assert top["examples"].tolist() == [n for _, n in confused.most_common(5)]
    assert all(confused[t, p] == n for t, p, n in top[["truth", "predicted", "examples"]].itertuples(index=False))
    of_truth = Counter(symbol for word in small.val.words for symbol in (*word, ""))
    assert top["share"].tolist() == pytest.approx((top["examples"] / top["truth"].map(of_truth)).tolist())
    assert parts.accuracy == pytest.approx(1 - confused.total() / len(small.val))


def test_a11_calibration_is_that_of_the_likeliest_character(parts: Breakdown, model: MLP, small: Dataset) -> None:
    """The usual expected calibration error, example by example."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for context, target in zip(small.val.contexts, small.val.targets.tolist(), strict=True):
        p = model.forward(torch.from_numpy(context)[None]).detach().softmax(dim=1)[0].double().numpy()
        bins[min(int(p.max() * BINS), BINS - 1)].append((float(p.max()), int(p.argmax()) == target))
    gaps = [abs(sum(said for said, _ in found) - sum(right for _, right in found)) for found in bins.values()]
    table = parts.calibration()
    assert table["predictions"].sum() == len(small.val)
    assert expected_calibration_error(table) == pytest.approx(sum(gaps) / len(small.val), abs=1e-5)


def test_a_model_that_is_too_sure_is_less_calibrated(model: MLP, small: Dataset) -> None:
    sure = MLP(model.config, model.vocab_size)
    sure.flat.copy_(model.flat)
    for name in ("W2", "b2"):
        sure.tensors[name].mul_(4)
    errors = [expected_calibration_error(Breakdown.of(one, small.val).calibration()) for one in (model, sure)]
    assert errors[1] > 2 * errors[0]
