"""Every architecture keeps the same promises: causal, a sane start, able to learn, stored to the bit."""

from __future__ import annotations

import ast
import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmcore.architectures import ARCHITECTURES, model_config, read_model
from mmcore.architectures.interface import ModelConfig
from mmcore.architectures.layers import EPSILON, batch_norm, dropout_mask
from mmcore.architectures.prefix_tree import Levels
from mmcore.architectures.sequence import SequenceConfig
from mmcore.backprop import Autograd, Backprop, gradients_of
from mmcore.config import RunConfig, TrainConfig
from mmcore.dataset import Dataset, Splits, Vocab, build_examples
from mmcore.evaluation import evaluate, log_probabilities
from mmcore.export.artifact import Artifact, load, plain_torch
from mmcore.model import Model, cross_entropy
from mmcore.optimizer import update
from mmcore.presets import PRESETS, preset_for
from mmcore.sample import generate
from mmcore.samplers import SAMPLERS, WordSampler
from mmcore.train_state import TrainState
from mmcore.training import Pace, train
from mmcore.tree_backprop import TreeBackprop
from tests.models import SEQUENCES, SMALL, configs, every, every_sequence, shaken


def after_each(model: Model, words: Tensor) -> Tensor:
    """Logits (B, L, V) after each character of (B, L)."""
    L = words.shape[1]
    contexts = [F.pad(words[:, : place + 1], (L - 1 - place, 0)) for place in range(L)]
    return model(torch.cat(contexts)).unflatten(0, (L, -1)).transpose(0, 1)


def same_everywhere(words: tuple[str, ...], context_size: int) -> Dataset:
    """A dataset whose three splits are all of some words (a real split needs ten)."""
    return Dataset(Vocab.from_words(words), context_size, Splits(words, words, words))


def test_every_architecture_is_tested_here() -> None:
    assert {config.architecture for config in SMALL.values()} == set(ARCHITECTURES)
    assert set(ARCHITECTURES) == {preset.model.architecture for preset in PRESETS.values()}
    for name, family in ARCHITECTURES.items():
        assert family().architecture == name
        assert PRESETS[preset_for(name)].model.architecture == name


# ---- configs


@every
def test_a_config_survives_being_written_and_read(config: ModelConfig) -> None:
    assert read_model(config.to_dict()) == config
    assert type(config.replace(architecture=config.architecture)) is type(config)


def test_a_config_without_an_architecture_is_an_mlp() -> None:
    """As every one was before there were others."""
    old = {"context_size": 4, "embedding_dim": 2, "hidden_sizes": [8], "activation": "relu", "direct": True}
    config = read_model(old)
    assert config == model_config(**old)
    assert config.architecture == "mlp"
    assert config.shapes(27)["W1"] == (8, 8)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"architecture": "cnn"}, "architecture must be one of bigram, mlp, rnn, gru, lstm, wavenet, transformer, got"),
        ({"architecture": ["gru"]}, "architecture must be one of bigram, mlp"),
        ({"architecture": "gru", "hidden_sizes": [3]}, "ModelConfig fields must be among architecture, context_size"),
        ({"architecture": "bigram", "context_size": 2}, "ModelConfig fields must be among architecture, init, got"),
        ({"architecture": "gru", "hidden_size": 0}, "hidden_size must be a whole number from 1 to 4,096, got 0"),
        ({"architecture": "wavenet", "context_size": 6}, "context_size must be a power of two from 2, as neighbours"),
        ({"architecture": "wavenet", "context_size": 1}, "context_size must be a power of two from 2, as neighbours"),
        ({"architecture": "transformer", "heads": 5}, "embedding_dim must be a multiple of heads (5), got 64"),
        ({"normalisation": "group"}, "normalisation must be one of none, batch, layer, got 'group'"),
    ],
)
def test_invalid_values_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        read_model(values)
    assert str(error.value).startswith(sentence)


def test_whole_words_are_for_models_that_read_from_left_to_right() -> None:
    gru = model_config(architecture="gru")
    RunConfig(corpus_sha256="ab" * 32, model=gru, train=TrainConfig(sampler="words"))
    with pytest.raises(ValueError, match="sampler must be one of examples, contexts for MLP, got 'words'"):
        RunConfig(corpus_sha256="ab" * 32, train=TrainConfig(sampler="words"))


def test_parameter_counts_are_the_published_ones() -> None:
    """The lecture series' part 3 and 5, and makemore's default transformer without its unused mask buffers."""
    norm = {"normalisation": "batch"}
    assert model_config(**norm).parameters(27) == 12_097
    assert model_config(context_size=8, **norm).parameters(27) == 22_097
    assert model_config(architecture="wavenet").parameters(27) == 76_579
    layers = 4 * (2 * 2 * 64 + 64 * 192 + 192 + 64 * 64 + 64 + 64 * 256 + 256 + 256 * 64 + 64)
    assert model_config(architecture="transformer").parameters(27) == 27 * 64 + 16 * 64 + layers + 2 * 64 + 64 * 27 + 27


def test_a_config_from_before_a_field_is_one_without_it() -> None:
    for name in ("gru", "lstm"):
        config = model_config(architecture=name)
        old = {field: value for field, value in config.to_dict().items() if field != "state_dropout"}
        assert read_model(old) == config and config.to_dict()["state_dropout"] == 0
    assert model_config(architecture="gru", state_dropout=0.2).summary().endswith("state dropout 0.2")


def test_a_summary_names_what_is_unusual() -> None:
    assert model_config().summary() == "MLP, context 3, dimension 10, hidden 200"
    small = model_config(architecture="transformer", layers=1, heads=1)
    assert small.summary() == "Transformer, context 16, dimension 64, 1 layer, 1 head"
    hot = model_config(activation="relu", normalisation="batch", init="lecture")
    assert hot.summary().endswith("hidden 200, ReLU, batch normalisation, lecture initialisation")


# ---- causality


def sensitivity(model: Model, logits: Tensor, symbol: int) -> float:
    """How much some logits change with what the model knows of a symbol: the largest derivative."""
    table = model.get_parameter("C" if "C" in model.tensors else "W")
    (gradient,) = torch.autograd.grad((logits.flatten() * torch.arange(logits.numel())).sum(), table, retain_graph=True)
    return gradient[symbol].abs().max().item()


@given(configs(), st.permutations("abcdefgh"), st.integers(0, 100))
def test_a_prediction_depends_on_nothing_that_comes_later(config: ModelConfig, word: list[str], seed: int) -> None:
    vocab = Vocab.from_words(["abcdefgh"])
    model, ids = shaken(config, vocab.size, seed), vocab.encode("".join(word))
    examples = build_examples(["".join(word)], vocab, config.context_size)
    predictions = [model(torch.from_numpy(examples.contexts))]
    if isinstance(config, SequenceConfig):
        predictions.append(after_each(model, torch.tensor([[0, *ids][: config.context_size]]))[0])
    for logits in predictions:
        for place in range(len(logits)):
            for later in ids[place:]:
                assert sensitivity(model, logits[place], later) == 0
            if place:
                assert sensitivity(model, logits[place], ids[place - 1]) > 0


@every_sequence
def test_no_word_sees_the_one_before(config: ModelConfig) -> None:
    model = shaken(config, 9)
    words = torch.tensor([[0, 5, 6, 0, 1, 2], [0, 7, 8, 0, 1, 2]])
    alone = after_each(model, torch.tensor([[0, 1, 2]]))[0]
    for logits in after_each(model, words):
        assert torch.allclose(logits[3:], alone, rtol=0, atol=1e-12)
    both = after_each(model, words)[0, 3:]
    assert sensitivity(model, both, 5) == 0 and sensitivity(model, both, 1) > 0


@every_sequence
def test_boundaries_before_a_word_change_nothing(config: ModelConfig) -> None:
    model = shaken(config, 9)
    padded = torch.tensor([[0, 0, 0, 1, 2], [0, 0, 0, 0, 3], [0, 0, 0, 0, 0]])
    with torch.no_grad():
        together = model(padded)
        alone = [model(torch.tensor([context])) for context in ([0, 1, 2], [0, 3], [0])]
    assert torch.allclose(together, torch.cat(alone), rtol=0, atol=1e-12)


# ---- whole words


some_words = st.lists(st.text(alphabet="abc", min_size=1, max_size=7), min_size=1, max_size=12)


@given(st.sampled_from(list(SEQUENCES.values())), some_words, st.integers(1, 9), st.integers(0, 99))
def test_whole_words_give_the_loss_and_gradient_of_their_examples(
    config: ModelConfig, words: list[str], context_size: int, seed: int
) -> None:
    """Also where a word is longer than the context, where words share prefixes, or are the same."""
    dataset = same_everywhere(tuple(words), context_size)
    model = shaken(config.replace(context_size=context_size, dropout=0.0), dataset.vocab.size, seed)
    gradients = Autograd(model)
    contexts, targets = torch.from_numpy(dataset.train.contexts), torch.from_numpy(dataset.train.targets)
    loss = sum(gradients(contexts[[n]], targets[[n]]) for n in range(len(targets))) / len(targets)  # one by one
    gradients(contexts, targets)
    expected = gradients.gradient.clone()
    too_long = sum(max(0, len(word) + 1 - context_size) for word in words)
    draw = WordSampler(dataset.train, len(words) + too_long)  # as many as there are: each is drawn once
    assert gradients(*draw(torch.Generator().manual_seed(seed))) == pytest.approx(loss, abs=1e-6)
    assert torch.allclose(gradients.gradient, expected, rtol=0, atol=1e-6)
    assert expected.any()


def test_a11_few_words_give_the_gradient_of_examples_only_nearly() -> None:
    """A ratio estimate: words of unequal length bias it, the less the more are drawn."""
    data = same_everywhere(("a", "b", "cabcabca", "bcbcbcbc"), 9)
    gradients = Autograd(shaken(SEQUENCES["rnn"].replace(context_size=9), data.vocab.size))
    gradients(torch.from_numpy(data.train.contexts), torch.from_numpy(data.train.targets))
    exact, off = gradients.gradient.clone(), []
    for batch_size in (1, 6):
        draw, generator = WordSampler(data.train, batch_size), torch.Generator().manual_seed(1)
        mean = torch.zeros_like(exact)
        for _ in range(1_000):
            gradients(*draw(generator))
            mean += gradients.gradient / 1_000
        off.append(((mean - exact).norm() / exact.norm()).item())
    assert off[0] > 0.2 and off[1] < off[0] / 3


@given(st.sampled_from(list(SEQUENCES.values())), some_words, st.integers(1, 9))
def test_evaluating_many_contexts_is_evaluating_each(config: ModelConfig, words: list[str], context_size: int) -> None:
    dataset = same_everywhere(tuple(words), context_size)
    model = shaken(config.replace(context_size=context_size), dataset.vocab.size)
    contexts = dataset.train.counts.contexts
    with torch.no_grad():
        alone = torch.cat([model(torch.from_numpy(context[None])) for context in contexts]).log_softmax(1)
    together = log_probabilities(model, contexts)
    assert torch.allclose(together, alone, rtol=0, atol=1e-9)
    assert (together.exp().sum(1) - 1).abs().max() < 1e-9


def spelled(levels: Levels, vocab: Vocab) -> list[str]:
    """Beginnings of words as text, a dot for the boundary."""
    above, found = [""], []
    for characters, parents in levels:
        letters = [vocab.symbols[character] or "." for character in characters.tolist()]
        above = [above[parent] + letter for parent, letter in zip(parents.tolist(), letters, strict=True)]
        found += above
    return found


def test_a_batch_reads_each_prefix_once_and_weighs_it_by_its_words(small: Dataset) -> None:
    words, vocab = small.train.words, small.vocab
    train = build_examples(words, vocab, 20)
    draw, g = SAMPLERS["words"](train, 40), torch.Generator().manual_seed(0)
    following = {}
    for word in words:
        for n in range(len(word) + 1):
            following.setdefault("." + word[:n], []).append(vocab.stoi[word[n : n + 1]])
    for _ in range(20):
        levels, targets = draw(g)
        read = spelled(levels, vocab)
        assert len(read) == len(set(read)) == len(targets) and set(read) <= set(following)
        weights = targets.sum(1) / targets.sum(1)[0] * 40  # every word drawn begins with the boundary
        assert torch.allclose(weights, weights.round(), atol=1e-4)
        assert targets.sum().item() == pytest.approx(len(read), rel=1e-5)
        for beginning, target in zip(read, targets, strict=True):
            expected = torch.bincount(torch.tensor(following[beginning]), minlength=vocab.size).float()
            assert torch.allclose(target / target.sum(), expected / expected.sum(), atol=1e-6)
            children = sum(
                weight for other, weight in zip(read, weights.tolist(), strict=True) if other[:-1] == beginning
            )
            ends = weights[read.index(beginning)].item() - children
            assert ends > -1e-3 and (beginning[1:] in words or ends < 1e-3), "who passes here goes on or ends a word"


def test_every_word_is_drawn_as_often_as_any_other() -> None:
    words = ("a", "ab", "abc", "b", "ba", "bb", "c") * 3
    vocab, total = Vocab.from_words(words), Counter[str]()
    draw, g = SAMPLERS["words"](build_examples(words, vocab, 4), 4), torch.Generator().manual_seed(0)
    for _ in range(2_000):
        levels, targets = draw(g)
        for beginning, weight in zip(
            spelled(levels, vocab), (targets.sum(1) / targets.sum(1)[0]).tolist(), strict=True
        ):
            total[beginning] += weight / 2_000  # of the words drawn, all of which begin with the boundary
    assert set(total) == {".", ".a", ".ab", ".abc", ".b", ".ba", ".bb", ".c"}
    for beginning, share in total.items():
        assert share == pytest.approx(sum(("." + word).startswith(beginning) for word in words) / 21, rel=0.05)


def test_a_model_that_reads_no_words_says_so() -> None:
    with pytest.raises(ValueError, match="architecture must read from left to right, got mlp"):
        Model(model_config(), 27).level_logits([(torch.tensor([0]), torch.tensor([0]))])


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_state_dropout_silences_what_is_added_and_not_what_is_remembered(name: str) -> None:
    config = SMALL[name].replace(dropout=0.0, state_dropout=0.5)
    model, g = shaken(config, 9), torch.Generator().manual_seed(0)
    p, H = model.tensors, 16
    h = c = torch.zeros(1, H, dtype=torch.float64)
    for character in (0, 1, 2):
        x, kept = p["C"][character] @ p["W_ih"] + p["b_ih"], dropout_mask(h, 0.5, g)
        z = x + h @ p["W_hh"]
        if name == "gru":
            hidden = h @ p["W_hh"][:, 2 * H :] + p["b_hh"][2 * H :]
            r, u = torch.sigmoid(z[:, : 2 * H] + p["b_hh"][: 2 * H]).chunk(2, 1)
            h = u * h + (1 - u) * torch.tanh(x[2 * H :] + r * hidden) * kept
        else:
            i, f, o, new = z.chunk(4, 1)
            c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(new) * kept
            h = torch.sigmoid(o) * torch.tanh(c)
    with torch.no_grad():
        logits = model(torch.tensor([[0, 1, 2]]), torch.Generator().manual_seed(0))
        assert torch.allclose(logits, h @ p["W_lm_head"] + p["b_lm_head"], rtol=0, atol=1e-12)
        assert not torch.allclose(logits, model(torch.tensor([[0, 1, 2]])), atol=1e-3)


# ---- against PyTorch's own layers


def test_recurrent_families_are_pytorchs() -> None:
    contexts = torch.tensor([[0, 3, 1, 4], [0, 2, 2, 5]])
    for name, make in (("rnn", torch.nn.RNN), ("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)):
        model = shaken(SMALL[name], 9)
        p, H = model.tensors, SMALL[name].to_dict()["hidden_size"]
        reference = make(4, H, batch_first=True).double()
        bias = p["b_ih"].clone()
        if name == "lstm":
            bias[H : 2 * H] += 1  # PyTorch's order is i, f, g, o
        order = [0, 1, 3, 2] if name == "lstm" else list(range(len(bias) // H))
        rows = torch.cat([torch.arange(H) + H * gate for gate in order])
        with torch.no_grad():
            reference.weight_ih_l0.copy_(p["W_ih"].T[rows])
            reference.weight_hh_l0.copy_(p["W_hh"].T[rows])
            reference.bias_ih_l0.copy_(bias[rows])
            reference.bias_hh_l0.copy_(p["b_hh"] if "b_hh" in p else torch.zeros(len(rows)))
            expected = reference(p["C"][contexts])[0] @ p["W_lm_head"] + p["b_lm_head"]
            assert torch.allclose(after_each(model, contexts), expected, rtol=0, atol=1e-12), name


def test_attention_is_pytorchs() -> None:
    config = SMALL["transformer"].replace(layers=1)
    model, words = shaken(config, 9), torch.tensor([[0, 3, 1, 4]])
    p, D = model.tensors, 16
    layer = torch.nn.TransformerEncoderLayer(D, 2, 4 * D, 0.0, F.gelu, batch_first=True, norm_first=True).double()
    names = {"W_attn1": layer.self_attn.in_proj_weight, "b_attn1": layer.self_attn.in_proj_bias}
    names |= {"W_attn_proj1": layer.self_attn.out_proj.weight, "b_attn_proj1": layer.self_attn.out_proj.bias}
    names |= {"W_fc1": layer.linear1.weight, "b_fc1": layer.linear1.bias}
    names |= {"W_mlp_proj1": layer.linear2.weight, "b_mlp_proj1": layer.linear2.bias}
    names |= {"ln1_gain1": layer.norm1.weight, "ln1_bias1": layer.norm1.bias}
    names |= {"ln2_gain1": layer.norm2.weight, "ln2_bias1": layer.norm2.bias}
    with torch.no_grad():
        for name, theirs in names.items():
            theirs.copy_(p[name].t())
        mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
        h = layer(p["C"][words] + p["wpe"][:4], src_mask=mask, is_causal=True)
        h = F.layer_norm(h, (D,), p["lnf_gain"], p["lnf_bias"])
        assert torch.allclose(after_each(model, words), h @ p["W_lm_head"] + p["b_lm_head"], rtol=0, atol=1e-12)


def test_wavenet_fuses_neighbours() -> None:
    model, context = shaken(SMALL["wavenet"].replace(normalisation="none"), 9), [3, 1, 4, 5]
    p = model.tensors
    left, right = (torch.tanh(torch.cat([p["C"][a], p["C"][b]]) @ p["W1"] + p["b1"]) for a, b in ((3, 1), (4, 5)))
    expected = torch.tanh(torch.cat([left, right]) @ p["W2"] + p["b2"]) @ p["W_lm_head"] + p["b_lm_head"]
    assert torch.allclose(model(torch.tensor([context]))[0], expected, rtol=0, atol=1e-12)


# ---- normalisation


def test_batch_normalisation_is_pytorchs() -> None:
    z = torch.randn(7, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    reference = torch.nn.BatchNorm1d(4, eps=EPSILON, momentum=0.05, affine=False).double()
    mean, var = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    ours = batch_norm(z, mean, var, torch.Generator())
    assert torch.allclose(ours.flatten(0, 1), reference(z.flatten(0, 1)), atol=1e-12)
    assert torch.allclose(mean, reference.running_mean) and torch.allclose(var, reference.running_var)
    assert torch.allclose(batch_norm(z, mean, var, None).flatten(0, 1), reference.eval()(z.flatten(0, 1)), atol=1e-12)


@pytest.mark.parametrize("sampler", ["examples", "contexts"])
def test_running_statistics_are_those_of_all_examples(small: Dataset, sampler: str) -> None:
    """Of examples, not of distinct contexts: a context that occurs often counts often, whichever way batches come."""
    config = model_config(embedding_dim=6, hidden_sizes=(10,), normalisation="batch")
    state = TrainState(config, TrainConfig(max_steps=300, sampler=sampler, learning_rate=1e-9), small.vocab.size)
    list(train(state, small, pace=Pace(every=1_000, losses=False)))
    p = state.model.tensors

    def sums(contexts: Any) -> Tensor:
        return p["C"][torch.from_numpy(contexts)].flatten(1) @ p["W1"]

    z, distinct = sums(small.train.contexts), sums(small.train.counts.contexts)
    deviation = z.std(0)
    error = ((p["bn_running_mean1"] - z.mean(0)) / deviation).abs().max()
    assert error < 0.06 < ((distinct.mean(0) - z.mean(0)) / deviation).abs().max()
    assert ((p["bn_running_var1"] / z.var(0)).log().abs()).max() < 0.1


@pytest.mark.parametrize("name", ["mlp-batch", "wavenet"])
def test_only_training_updates_the_statistics(small: Dataset, name: str) -> None:
    config = SMALL[name].replace(context_size=4)
    dataset = dataclasses.replace(small, context_size=4)
    state = TrainState(config, TrainConfig(max_steps=5), dataset.vocab.size)
    before = state.model.flat.clone()
    evaluate(state.model, dataset.val)
    generate(state.model, dataset.vocab, 5)
    assert torch.equal(state.model.flat, before)
    list(train(state, dataset))
    trained = state.model.flat.clone()
    assert state.model.tensors["bn_running_mean1"].any()
    evaluate(state.model, dataset.val)
    assert torch.equal(state.model.flat, trained)
    statistics = sum(tensor.numel() for name, tensor in state.model.tensors.items() if "running" in name)
    assert len(trained) == config.parameters(dataset.vocab.size) + statistics


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_update_leaves_the_statistics_alone(optimizer: str) -> None:
    config = TrainConfig(optimizer=optimizer, weight_decay=0.5, learning_rate=0.1)
    state = TrainState(SMALL["mlp-batch"], config, 27)
    gradients = gradients_of(state.model, 8)
    gradients(torch.randint(27, (8, 3), generator=torch.Generator().manual_seed(0)), torch.arange(8))
    before = {name: tensor.clone() for name, tensor in state.model.tensors.items()}
    update(state, gradients.gradient, 0.1)
    for name, tensor in state.model.tensors.items():
        statistic = "running" in name
        assert torch.equal(tensor, before[name]) == statistic, name


# ---- start, learning, storing


@every
@pytest.mark.parametrize("seed", range(3))
def test_the_scaled_start_is_ln_v(small: Dataset, config: ModelConfig, seed: int) -> None:
    for size in (config, ARCHITECTURES[config.architecture]()):
        dataset = dataclasses.replace(small, context_size=size.context_size)
        loss = evaluate(Model(size, 27, seed), dataset.val).loss
        rms = getattr(size, "normalisation", "") == "rms"  # with microgpt's start: 0.08 everywhere, whatever the width
        assert abs(loss - math.log(27)) < (0.1 if rms else 0.05)


@pytest.mark.parametrize(
    "config", [c for n, c in SMALL.items() if n != "bigram"], ids=[n for n in SMALL if n != "bigram"]
)
def test_three_words_are_learned_by_heart(config: ModelConfig) -> None:
    """Which word it is cannot be known: ln 3 a word. As one of many characters that is below 0.1."""
    words = ("abcdefghijklmn", "opqrstuvwxyz", "zyxvutsrqpo")
    dataset = same_everywhere(words, config.context_size)
    achievable = 3 * math.log(3) / len(dataset.train)
    assert achievable < 0.09
    config = config.replace(dropout=0.0) if hasattr(config, "dropout") else config
    state = TrainState(config, TrainConfig(max_steps=400, batch_size=41, learning_rate=0.02), dataset.vocab.size)
    steps = list(train(state, dataset, pace=Pace(every=1_000)))
    assert achievable - 1e-6 <= (steps[-1].train_loss or 0) < 0.1


def test_a_bigram_becomes_the_counting_bigram() -> None:
    """Three words cannot be told apart by one character; their pairs can be learned, and that is all."""
    dataset = same_everywhere(("anna", "bob", "eve"), 1)
    config = TrainConfig(max_steps=500, learning_rate=0.3)
    state = TrainState(model_config(architecture="bigram"), config, dataset.vocab.size)
    steps = list(train(state, dataset, pace=Pace(every=1_000)))
    counts = dataset.train.counts
    pairs = counts.following.dense()
    p = torch.from_numpy(pairs / counts.totals[:, None])
    achievable = -(torch.from_numpy(pairs) * p.clamp(min=1e-300).log()).sum().item() / counts.examples
    assert achievable - 1e-6 <= (steps[-1].train_loss or 0) < achievable + 0.01


@every
def test_a_loaded_model_is_the_same_to_the_last_bit(small: Dataset, config: ModelConfig) -> None:
    dataset = dataclasses.replace(small, context_size=config.context_size)
    state = TrainState(config, TrainConfig(max_steps=5), dataset.vocab.size)
    list(train(state, dataset))
    run = RunConfig(corpus_sha256="ab" * 32, model=config)
    after = load(Artifact(state.model, dataset.vocab, run, {}, 5).to_bytes())
    assert torch.equal(after.model.flat, state.model.flat)
    assert after.config == run
    assert evaluate(after.model, dataset.val) == evaluate(state.model, dataset.val)


@every
def test_a_continued_run_is_bit_identical(small: Dataset, config: ModelConfig) -> None:
    dataset = dataclasses.replace(small, context_size=config.context_size)
    training = TrainConfig(max_steps=12, batch_size=16, patience=50, check_every=4, sampler=config.samplers[0])
    whole = TrainState(config, training, dataset.vocab.size)
    list(train(whole, dataset))
    first, second = (TrainState(config, training, dataset.vocab.size) for _ in range(2))
    next(step for step in train(first, dataset, pace=Pace(every=7)) if step.step == 7)
    second.load(first.tensors())
    list(train(second, dataset))
    assert torch.equal(second.model.flat, whole.model.flat)


@every
def test_the_plain_code_is_the_model(config: ModelConfig, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vocab = Vocab.from_words(["abcdefg"])
    model = Model(config, vocab.size, seed=3)
    model.flat.mul_(3)
    path = tmp_path / "model.safetensors"
    path.write_bytes(Artifact(model, vocab, RunConfig(corpus_sha256="ab" * 32, model=config), {}, 0).to_bytes())
    code = plain_torch(config, str(path))
    assert "mmcore" not in code and "from ." not in code
    drawn, scope = iter([3, 5, 1, 1, 2, 7, 4, 0]), {}
    seen: list[Tensor] = []

    def draw(p: Tensor, n: int) -> Tensor:
        seen.append(p)
        return torch.tensor([next(drawn)])

    with monkeypatch.context() as patch:
        patch.setattr(torch, "multinomial", draw)
        exec(code, scope)
    assert len(seen) == 8
    for place, p in enumerate(seen):
        context = scope["ids"][place : place + config.context_size]
        with torch.no_grad():
            assert torch.allclose(p, model(torch.tensor([context]))[0].softmax(0), atol=1e-6)


# ---- one place chooses the gradients


@every
def test_gradients_by_hand_where_there_are_some(config: ModelConfig) -> None:
    plain = config.architecture == "mlp" and config.to_dict()["normalisation"] == "none"
    by_hand = Backprop if plain else TreeBackprop if TreeBackprop.handles(config) else Autograd
    assert isinstance(gradients_of(Model(config, 9), 4), by_hand)
    if not plain:
        with pytest.raises(ValueError, match="model must be an MLP of tanh or ReLU without normalisation"):
            Backprop(Model(config, 9), 4)


@settings(max_examples=15)
@given(st.sampled_from(list(SMALL.values())), st.integers(0, 99))
def test_gradients_are_those_of_finite_differences(config: ModelConfig, seed: int) -> None:
    model = shaken(config, 7, seed)
    g = torch.Generator().manual_seed(seed)
    contexts, targets = torch.randint(7, (6, config.context_size), generator=g), torch.randint(7, (6,), generator=g)
    gradients = gradients_of(model, 6)
    gradients(contexts, targets, torch.Generator().manual_seed(0))
    direction = torch.randn(len(model.flat), generator=g, dtype=torch.float64)
    slope, step, losses = (gradients.gradient @ direction).item(), 1e-6, []
    for sign in (1, -2):
        model.flat.add_(direction, alpha=sign * step)
        with torch.no_grad():
            losses.append(cross_entropy(model(contexts, torch.Generator().manual_seed(0)), targets).item())
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-5, rel=1e-4)


ROOT = Path(__file__).resolve().parents[2]


def asks_which(source: str) -> list[int]:
    """Lines that compare something with an architecture's name, or match on it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        parts += [node.value] if isinstance(node, ast.MatchValue) else []
        named = [part.value for part in parts if isinstance(part, ast.Constant)]
        found += [part.lineno for part in parts if set(named) & set(ARCHITECTURES)]
    return found


def test_nothing_asks_which_architecture_it_is() -> None:
    """From the form to the logits, what differs between architectures is in their own files."""
    paths = [path for folder in ("mmcore", "ui", "app_pages") for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 30
    assert {path.name: found for path in paths if (found := asks_which(path.read_text()))} == {}
    assert asks_which('if config.architecture == "gru":\n    pass'), "the test above must be able to fail"
