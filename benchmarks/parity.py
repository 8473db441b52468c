"""Published results against ours: ``python -m benchmarks.parity [ROW …] [--data FILE] [--seeds 1,2,3,4,5]``.

Without rows it measures what is still missing, ``--again`` all of it, on every core; results are kept in
``benchmarks/results/parity.json``, one a row, corpus and seed, and ``benchmarks/PARITY.md`` is written from them after
every training. The published figures were measured on the lecture's list of 32,033 names, which ``--data`` takes for
whoever has it; the words of this repository get a column of their own.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcore import BUNDLED_NAMES, Corpus, Model, ModelConfig, SplitConfig, TrainConfig, TrainState, read_words
from mmcore.architectures import model_config
from mmcore.dataset import Dataset, Splits, Vocab, build_dataset, build_examples, split_words
from mmcore.evaluation import evaluate, evaluate_splits, word_losses
from mmcore.losses import SHOWN
from mmcore.model import cross_entropy
from mmcore.ngram import NGram, uniform_loss
from mmcore.presets import PRESETS
from mmcore.training import Pace, train

FOLDER = Path(__file__).parent
RESULTS, PAGE = FOLDER / "results" / "parity.json", FOLDER / "PARITY.md"
WITHIN = 0.03  # nats per character: what counts as the same
LECTURE, LECTURE_SPLIT = PRESETS["lecture"].train, SplitConfig()
UNPUBLISHED = SHOWN  # what is shown where nothing is to compare with

Losses = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A published result and what we do to get it again."""

    title: str
    source: str
    measure: Callable[[Corpus, int], Losses]
    published: Losses = field(default_factory=dict)
    seeded: bool = True
    note: str = ""


def trained(
    model: ModelConfig,
    config: TrainConfig,
    change: Callable[[Model], None] | None = None,
    *,
    stop: int | None = None,
    test: bool = False,
    split: SplitConfig = LECTURE_SPLIT,
) -> Callable[[Corpus, int], Losses]:
    """A measurement: train on the lecture's split; the test split is looked at where that is published."""

    def measure(corpus: Corpus, seed: int) -> Losses:
        dataset = build_dataset(corpus, split, model.context_size)
        state = TrainState(model, config.replace(seed=seed), dataset.vocab.size)
        if change:
            change(state.model)
        run(state, dataset, stop)
        return evaluate_splits(state.model, dataset, test=test)

    return measure


def run(state: TrainState, dataset: Dataset, stop: int | None = None) -> None:
    """Train to the end, or until so many updates are done."""
    last = stop or state.config.max_steps
    for step in train(state, dataset, pace=Pace(every=last, losses=False)):
        if step.step == last:
            break


@torch.no_grad()
def quiet_output(model: Model) -> None:
    """Part 3's first fix: output weights a hundredth, output bias 0, so that the first loss is about ln V."""
    model.get_parameter("W2").mul_(0.01)
    model.get_parameter("b2").zero_()


@torch.no_grad()
def no_gain(model: Model) -> None:
    """Part 5's start: hidden weights from N(0, 1/fan_in), without the 5/3 of tanh.

    Normalising makes the outputs the same, but smaller weights turn faster at the same learning rate.
    """
    hidden = (name for name in model.tensors if name[0] == "W" and model.tensors[name].shape[1] != model.vocab_size)
    for name in hidden:
        model.get_parameter(name).mul_(3 / 5)


def uniform(corpus: Corpus, seed: int) -> Losses:
    """ln V."""
    return {"train_loss": uniform_loss(Vocab.from_words(corpus.words).size)}


def whole(corpus: Corpus, context_size: int = 1) -> Dataset:
    """All words as train, as in part 1, which does not split yet, and in microgpt."""
    splits = Splits(corpus.words, split_words(corpus.words, SplitConfig()).val, ())
    return Dataset(Vocab.from_words(corpus.words), context_size, splits)


def counted(smoothing: float) -> Callable[[Corpus, int], Losses]:
    """The bigram by counting pairs in all words."""

    def measure(corpus: Corpus, seed: int) -> Losses:
        examples = whole(corpus).train
        return {"train_loss": NGram(examples, 1, smoothing).loss(examples)}

    return measure


def learned_bigram(corpus: Corpus, seed: int) -> Losses:
    """The bigram by gradients on all words."""
    dataset, preset = whole(corpus), PRESETS["bigram"]
    state = TrainState(preset.model, preset.train.replace(seed=seed), dataset.vocab.size)
    run(state, dataset)
    return {"train_loss": evaluate_splits(state.model, dataset, test=False)["train_loss"]}


def descending(corpus: Corpus, seed: int, penalty: float = 0.01) -> Iterator[float]:
    """The losses of part 1's own loop, on counts: all pairs in every update, rate 50, penalty · mean(W²) added."""
    counts = whole(corpus).train.counts
    pairs = torch.from_numpy(counts.following.dense())
    W = torch.randn(pairs.shape, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    while True:
        nll = -(pairs * W.log_softmax(1)).sum() / counts.examples
        loss = nll + penalty * (W**2).mean()
        (gradient,) = torch.autograd.grad(loss, W)
        W.data -= 50 * gradient
        yield loss.item()


def descent(corpus: Corpus, seed: int) -> Losses:
    """Part 1's loop until its loss stands still."""
    return {"train_loss": next(islice(descending(corpus, seed), 399, None))}


MICROGPT = PRESETS["microgpt"]


def reading(corpus: Corpus, seed: int) -> Iterator[tuple[float, Model]]:
    """microgpt's own loop: the loss of each word, before the update that learns from it; and the model.

    All words, shuffled, one an update; of each prefix the character that follows it in this word. Every tensor begins
    at N(0, 0.08²), Adam forgets squares more slowly than ours, and the rate falls to zero from the start.
    """
    words, steps, T = list(corpus.words), MICROGPT.train.max_steps, MICROGPT.model.context_size
    random.Random(seed).shuffle(words)
    vocab = Vocab.from_words(words)
    model = Model(MICROGPT.model, vocab.size)
    with torch.no_grad():
        model.flat.normal_(generator=torch.Generator().manual_seed(seed)).mul_(0.08)
    adam = torch.optim.Adam(model.parameters(), MICROGPT.train.learning_rate, betas=(0.85, 0.99), eps=1e-8)
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    for word in words[:steps]:
        examples = build_examples([word], vocab, T)
        loss = cross_entropy(model(torch.from_numpy(examples.contexts[:T])), torch.from_numpy(examples.targets[:T]))
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
        yield loss.item(), model


def last_words(corpus: Corpus, seed: int) -> Losses:
    """What microgpt prints towards its end: the mean of its last 100 losses."""
    return {"batch_loss": statistics.mean([loss for loss, _ in reading(corpus, seed)][-100:])}


PART1 = "makemore part 1 (A. Karpathy, 2022), on all words"
PART3 = "makemore part 3 (A. Karpathy, 2022), notebook's loss log"
PART5 = "makemore part 5 (A. Karpathy, 2022), notebook's performance log"
# Part 5 lowers the rate after 150,000 of its 200,000 updates: half of 300,000.
PART5_STEPS, PART5_LOOP = 200_000, LECTURE.replace(max_steps=300_000)
BATCH, TRANSFORMER = model_config(normalisation="batch"), PRESETS["transformer"]
ROWS: dict[str, Row] = {
    "uniform": Row(
        title="Uniform, ln 27",
        source="part 2",
        published={"train_loss": 3.296},
        measure=uniform,
        seeded=False,
    ),
    "bigram-counted": Row(
        title="Bigram, pairs counted, 1 added to each",
        source=PART1,
        published={"train_loss": 2.4544},
        measure=counted(1.0),
        seeded=False,
    ),
    "bigram-descent": Row(
        title="Bigram, part 1's descent until it stands still",
        source=f"{PART1}; its penalty included",
        published={"train_loss": 2.4818},
        measure=descent,
    ),
    "bigram-learned": Row(
        title="Bigram, table learned",
        source=PART1,
        published={"train_loss": 2.4765},
        measure=learned_bigram,
    ),
    "mlp": Row(
        title="MLP, context 3, 11,897 parameters",
        source="makemore part 2 (A. Karpathy, 2022)",
        published={"train_loss": 2.126, "val_loss": 2.170},
        measure=trained(model_config(init="lecture"), LECTURE),
    ),
    "softmax-fix": Row(
        title="MLP, output layer ÷ 100",
        source=PART3,
        published={"train_loss": 2.07, "val_loss": 2.13},
        measure=trained(model_config(init="lecture"), LECTURE, quiet_output),
    ),
    "tanh-fix": Row(
        title="MLP, scaled initialisation",
        source=PART3,
        published={"train_loss": 2.036, "val_loss": 2.103},
        measure=trained(model_config(), LECTURE),
    ),
    "batch-norm": Row(
        title="MLP, batch normalisation",
        source=PART3,
        published={"train_loss": 2.067, "val_loss": 2.105},
        measure=trained(BATCH, LECTURE),
    ),
    "context-8": Row(
        title="MLP, context 8, batch normalisation, 22,097 parameters",
        source=PART5,
        published={"train_loss": 1.918, "val_loss": 2.027},
        measure=trained(BATCH.replace(context_size=8), PART5_LOOP, no_gain, stop=PART5_STEPS),
    ),
    "wavenet": Row(
        title="WaveNet, context 8, 76,579 parameters",
        source=PART5,
        published={"train_loss": 1.769, "val_loss": 1.993},
        measure=trained(model_config(architecture="wavenet"), PART5_LOOP, no_gain, stop=PART5_STEPS),
    ),
    "transformer": Row(
        title="Transformer, 4 layers, 4 heads, dimension 64",
        source="karpathy/makemore README, test split",
        published={"test_loss": 1.92},
        measure=trained(TRANSFORMER.model, TRANSFORMER.train, test=True),
        note=f"Ours is the preset: {TRANSFORMER.model.summary()}; {TRANSFORMER.train.max_steps:,} updates of "
        f"{TRANSFORMER.train.batch_size} words, weight decay {TRANSFORMER.train.weight_decay:g}.",
    ),
    "microgpt": Row(
        title="microgpt, 4,192 parameters, its own loop",
        source="microgpt (A. Karpathy, 12 February 2026): “down to around 2.37”, on all words",
        published={"batch_loss": 2.37},
        measure=last_words,
    ),
    "best-mlp": Row(
        title="The best MLP found, the preset",
        source="none; tuned on validation with seeds 11 and 12, split seeds 7 and 8",
        measure=trained(PRESETS["best"].model, PRESETS["best"].train),
    ),
    **{
        f"{name}-preset": Row(
            title=f"{PRESETS[name].title}, the preset",
            source="none; tuned on validation with seed 101",
            measure=trained(PRESETS[name].model, PRESETS[name].train),
        )
        for name in ("rnn", "gru", "lstm", "wavenet")
    },
    "microgpt-preset": Row(
        title="microgpt, the preset",
        source="none; microgpt's settings, and all that follows a prefix as its target",
        measure=trained(MICROGPT.model, MICROGPT.train),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a figure may differ from the published one: a measurement, and the sentence that says it."""

    measure: Callable[[Corpus], dict[str, float]]
    sentence: str  # with what is measured in braces


def passing(corpus: Corpus) -> dict[str, float]:
    """When part 1's descent passes its published figure, and where no table of pairs can go."""
    counts = whole(corpus).train.counts
    pairs = counts.following.dense()
    target = ROWS["bigram-learned"].published["train_loss"]
    losses = enumerate(descending(corpus, 1, penalty=0.0), start=1)
    step = next(step for step, loss in losses if loss <= target)
    log_p = np.log(np.maximum(pairs, 1) / counts.totals[:, None])
    return {"floor": -float((pairs * log_p).sum()) / counts.examples, "updates": step}


def other_splits(corpus: Corpus) -> dict[str, float]:
    """Part 2's model at one initialisation, over split seeds."""
    losses = [
        trained(model_config(init="lecture"), LECTURE, split=SplitConfig(split_seed=seed))(corpus, 1)
        for seed in (1, 2, 3, 4, 5)
    ]
    found = {name: [loss[name] for loss in losses] for name in ("train_loss", "val_loss")}
    measured = {f"{name}_mean": statistics.mean(values) for name, values in found.items()}
    return measured | {f"{name}_deviation": statistics.stdev(values) for name, values in found.items()}


def statistics_of_all(corpus: Corpus) -> dict[str, float]:
    """Batch normalisation evaluated by running statistics, and by those of all training examples."""
    dataset = build_dataset(corpus, LECTURE_SPLIT, BATCH.context_size)
    state = TrainState(BATCH, LECTURE.replace(seed=1), dataset.vocab.size)
    run(state, dataset)
    running, p = evaluate_splits(state.model, dataset, test=False)["val_loss"], state.model.tensors
    z = p["C"][torch.from_numpy(dataset.train.contexts)].flatten(1) @ p["W1"]
    p["bn_running_mean1"].copy_(z.mean(0))
    p["bn_running_var1"].copy_(z.var(0))
    return {"running": running, "exact": evaluate_splits(state.model, dataset, test=False)["val_loss"]}


def thousand_words(corpus: Corpus) -> dict[str, float]:
    """How much a test loss depends on which 1,000 words it is of, by one model: the quick preset."""
    dataset = build_dataset(corpus, LECTURE_SPLIT, PRESETS["quick"].model.context_size)
    state = TrainState(PRESETS["quick"].model, PRESETS["quick"].train, dataset.vocab.size)
    run(state, dataset)
    (sums, counts), random = word_losses(state.model, dataset.test), np.random.default_rng(1)
    draws = [random.choice(len(sums), min(1_000, len(sums)), replace=False) for _ in range(1_000)]
    losses = [sums[drawn].sum() / counts[drawn].sum() for drawn in draws]
    return {"deviation": float(np.std(losses)), "low": float(min(losses)), "high": float(max(losses))}


def single_words(corpus: Corpus) -> dict[str, float]:
    """How far apart the losses are that microgpt prints, and where its model ends over all words."""
    losses, models = zip(*reading(corpus, 1), strict=True)
    last = losses[-100:]
    found = {"low": min(last), "high": max(last), "deviation": statistics.stdev(last)}
    examples = whole(corpus, MICROGPT.model.context_size).train
    return found | {"first": statistics.mean(losses[:10]), "exact": evaluate(models[-1], examples).loss}


REASONS: dict[str, Reason] = {
    "bigram-floor": Reason(
        measure=passing,
        sentence="The learned bigram: 2.4765 is no finished table's loss. The notebook itself counts 2.4544; pairs "
        "counted without smoothing, below which no table can be, give {floor:.4f} on these words, and part 1's descent "
        "passes 2.4765 at update {updates:.0f}.",
    ),
    "thousand-words": Reason(
        measure=thousand_words,
        sentence="The transformer: makemore's figure is of 1,000 words drawn for its test. Which 1,000 of our test "
        "split are drawn moves the loss of one and the same model (preset quick) from {low:.3f} to {high:.3f}, "
        "standard deviation {deviation:.3f}.",
    ),
    "single-words": Reason(
        measure=single_words,
        sentence="microgpt prints the loss of one word at a time, before it learns from it, and holds no words out: no "
        "loss of a split is published. Ours is the mean over its last 100 words; with seed 1 they range from {low:.2f} "
        "to {high:.2f}, standard deviation {deviation:.2f}. The first ten have {first:.2f}, and the model that is left "
        "has {exact:.4f} over all words.",
    ),
    "split-seeds": Reason(
        measure=other_splits,
        sentence="Which words are held out: part 2's model with seed 1 on five other splits (seeds 1–5) ends at train "
        "{train_loss_mean:.4f} ± {train_loss_deviation:.4f}, val {val_loss_mean:.4f} ± {val_loss_deviation:.4f}. A "
        "shuffle of another list is another split.",
    ),
    "statistics": Reason(
        measure=statistics_of_all,
        sentence="Batch normalisation's momentum is 0.001 in part 3, 0.1 in part 5, 0.05 here. It touches no weight, "
        "only the statistics that evaluation uses: val {running:.4f} by the running ones, {exact:.4f} by those of all "
        "training examples.",
    ),
}


def load() -> dict[str, Any]:
    """What has been measured: corpus sha256 → ``name``, ``reasons`` and ``rows``: row → seed → losses and seconds."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(results: dict[str, Any]) -> None:
    """Keep the results, and write the page from them."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(results))


def measured(corpus: Corpus, name: str, seed: int) -> Losses:
    """One row with one seed, or one reason, on a worker; the training of a row is timed."""
    torch.set_num_threads(1)
    if name in REASONS:
        return REASONS[name].measure(corpus)
    began = time.process_time()  # with one thread, what a clock shows on a machine that does nothing else
    losses = ROWS[name].measure(corpus, seed)
    return losses | {"processor_seconds": round(time.process_time() - began, 1)}


def measure(corpus: Corpus, names: list[str], seeds: list[int], *, again: bool, workers: int) -> None:
    """Measure what is missing of some rows and reasons, or all of them again; kept one by one, as they end."""
    entry = entry_of(load(), corpus)
    rows = [(name, seed) for name in names if name in ROWS for seed in (seeds if ROWS[name].seeded else seeds[:1])]
    wanted = [(name, seed) for name, seed in rows if again or str(seed) not in entry["rows"].get(name, {})]
    wanted += [(name, 0) for name in names if name in REASONS and (again or name not in entry["reasons"])]
    with ProcessPoolExecutor(workers, get_context("forkserver")) as pool:
        futures = {pool.submit(measured, corpus, name, seed): (name, seed) for name, seed in wanted}
        for future in as_completed(futures):
            (name, seed), found = futures[future], future.result()
            results = load()
            entry = entry_of(results, corpus)
            if name in REASONS:
                entry["reasons"][name] = found
            else:
                entry["rows"].setdefault(name, {})[str(seed)] = found
            save(results)
            print(f"{name}, seed {seed}: {found}" if name in ROWS else f"{name}: {found}", flush=True)
    save(load())  # the page, also where nothing was missing


def entry_of(results: dict[str, Any], corpus: Corpus) -> dict[str, Any]:
    """What belongs to one corpus; made if there is nothing yet."""
    name = f"{corpus.name}, {len(corpus.words):,} words"
    entry: dict[str, Any] = results.setdefault(corpus.sha256, {"name": name, "rows": {}})
    entry.setdefault("reasons", {})
    return entry


def page(results: dict[str, Any]) -> str:
    """PARITY.md."""
    intro = (
        "# Parity with published results\n\n"
        "Losses in nats per character, exact over the whole split; ours: mean ± standard deviation over seeds. Written "
        "by `make parity` from `results/parity.json`; `make parity AGAIN=1` measures every row anew, about an hour on "
        "two cores. The published figures belong to the lecture's list of 32,033 names; `DATA=path/to/names.txt` "
        "measures on it for whoever has it. Ours is a newer revision of the same source, so a difference may be the "
        "words': a model's own column on both lists tells.\n"
    )
    return intro + "".join(table(entry) for entry in results.values())


def table(entry: dict[str, Any]) -> str:
    """One corpus's rows."""
    head = ["Row", "Published", "Source", "Ours", "Seeds", "Processor seconds each", "Within 0.03", "Command"]
    lines = [f"\n## {entry['name']}\n", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    notes = []
    for name, row in ROWS.items():
        runs = list(entry["rows"].get(name, {}).values())
        command = f"`python -m benchmarks.parity {name}`"
        if not runs:
            lines.append(f"| {row.title} | {said(row.published)} | {row.source} | not measured | | | | {command} |")
            continue
        ours = {loss: [run[loss] for run in runs] for loss in row.published or UNPUBLISHED if loss in runs[0]}
        near = all(
            abs(statistics.mean(values) - row.published[loss]) <= WITHIN
            for loss, values in ours.items()
            if row.published
        )
        shown = said({loss: spread(values) for loss, values in ours.items()})
        timed = [run["processor_seconds"] for run in runs if "processor_seconds" in run]
        seconds = f"{statistics.mean(timed):.0f}" if timed else ""
        verdict = ("yes" if near else "no") if row.published else ""
        cells = [row.title, said(row.published), row.source, shown, str(len(runs)), seconds, verdict, command]
        lines.append("| " + " | ".join(cells) + " |")
        notes += [f"- {row.title}: {row.note}"] * bool(row.note)
    for name, reason in REASONS.items():
        if found := entry.get("reasons", {}).get(name):
            notes.append(f"- {reason.sentence.format(**found)}")
    return "\n".join([*lines, "", *notes]) + "\n"


def said(losses: dict[str, Any]) -> str:
    """Losses in a table's cell."""
    return ", ".join(f"{name.replace('_loss', '').replace('_', ' ')} {loss}" for name, loss in losses.items())


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def main(arguments: list[str] | None = None) -> None:
    """Measure and write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="of: " + ", ".join([*ROWS, *REASONS]))
    parser.add_argument("--data", type=Path, default=BUNDLED_NAMES)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--again", action="store_true", help="also what is there already")
    parser.add_argument("--workers", type=int, default=cpu_count() or 1, help="trainings at a time, a core each")
    options = parser.parse_args(arguments)
    known = [*ROWS, *REASONS]
    if unknown := set(options.rows) - set(known):
        parser.error(f"rows must be of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    seeds, rows = [int(seed) for seed in options.seeds.split(",")], options.rows or known
    measure(read_words(options.data), rows, seeds, again=options.again, workers=options.workers)


if __name__ == "__main__":
    main()
