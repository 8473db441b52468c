"""Published results against ours: ``python -m benchmarks.parity [ROW …] [--data FILE] [--seeds 1,2,3,4,5]``.

Without rows it measures what is still missing, quickest row first; results are kept in
``benchmarks/results/parity.json``, one a row, corpus and seed, and ``benchmarks/PARITY.md`` is written from them after
every training. The published figures were measured on the lecture's list of 32,033 names, which ``--data`` takes for
whoever has it; the words of this repository get a column of their own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mmcore import BUNDLED_NAMES, Corpus, Model, ModelConfig, SplitConfig, TrainConfig, TrainState, read_words
from mmcore.config import PRESETS
from mmcore.data import Dataset, Splits, Vocab, build_dataset, split_words
from mmcore.evaluation import evaluate_splits
from mmcore.ngram import NGram, uniform_loss
from mmcore.training import Pace, train

FOLDER = Path(__file__).parent
RESULTS, PAGE = FOLDER / "results" / "parity.json", FOLDER / "PARITY.md"
WITHIN = 0.03  # nats per character: what counts as the same
LECTURE = PRESETS["lecture"].train
UNPUBLISHED = ("train_loss", "val_loss", "val_loss_unseen")  # what is shown where nothing is to compare with

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
    model: ModelConfig, config: TrainConfig, change: Callable[[Model], None] | None = None, *, test: bool = False
) -> Callable[[Corpus, int], Losses]:
    """A measurement: train on the lecture's split (seed 42); the test split is looked at where that is published."""

    def measure(corpus: Corpus, seed: int) -> Losses:
        dataset = build_dataset(corpus, SplitConfig(), model.context_size)
        state = TrainState(model, config.replace(seed=seed), dataset.vocab.size)
        if change:
            change(state.model)
        run(state, dataset)
        return evaluate_splits(state.model, dataset, test=test)

    return measure


def run(state: TrainState, dataset: Dataset) -> None:
    """Train to the end."""
    for _ in train(state, dataset, pace=Pace(every=state.config.max_steps, losses=False)):
        pass


@torch.no_grad()
def quiet_output(model: Model) -> None:
    """Part 3's first fix: output weights a hundredth, output bias 0, so that the first loss is about ln V."""
    model.get_parameter("W2").mul_(0.01)
    model.get_parameter("b2").zero_()


def uniform(corpus: Corpus, seed: int) -> Losses:
    """ln V."""
    return {"train_loss": uniform_loss(Vocab.from_words(corpus.words).size)}


def whole(corpus: Corpus) -> Dataset:
    """All words as train, which part 1 has: it does not split yet."""
    return Dataset(
        Vocab.from_words(corpus.words), 1, Splits(corpus.words, split_words(corpus.words, SplitConfig()).val, ())
    )


def counted(smoothing: float) -> Callable[[Corpus, int], Losses]:
    """The bigram by counting pairs in all words."""

    def measure(corpus: Corpus, seed: int) -> Losses:
        examples = whole(corpus).train
        return {"train_loss": NGram(examples, 1, smoothing).loss(examples)}

    return measure


def learnt_bigram(corpus: Corpus, seed: int) -> Losses:
    """The bigram by gradients on all words."""
    dataset, preset = whole(corpus), PRESETS["bigram"]
    state = TrainState(preset.model, preset.train.replace(seed=seed), dataset.vocab.size)
    run(state, dataset)
    return {"train_loss": evaluate_splits(state.model, dataset, test=False)["train_loss"]}


PART3 = "makemore part 3 (A. Karpathy, 2022), notebook's loss log"
PART5 = "makemore part 5 (A. Karpathy, 2022), notebook's performance log"
# Part 5 lowers the rate after 150,000 updates; our schedule after 100,000 of 200,000, as in part 3.
BATCH = ModelConfig(normalisation="batch")
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
        source="part 1; trained and measured on all words",
        published={"train_loss": 2.4765},
        measure=counted(1.0),
        seeded=False,
    ),
    "bigram-learnt": Row(
        title="Bigram, table learnt",
        source="part 1; trained and measured on all words",
        published={"train_loss": 2.4765},
        measure=learnt_bigram,
        note="No table of pairs can be below the one counted without smoothing, which this reaches.",
    ),
    "mlp": Row(
        title="MLP, context 3, 11,897 parameters",
        source="makemore part 2 (A. Karpathy, 2022)",
        published={"train_loss": 2.126, "val_loss": 2.170},
        measure=trained(ModelConfig(init="lecture"), LECTURE),
    ),
    "softmax-fix": Row(
        title="MLP, output layer ÷ 100",
        source=PART3,
        published={"train_loss": 2.07, "val_loss": 2.13},
        measure=trained(ModelConfig(init="lecture"), LECTURE, quiet_output),
    ),
    "tanh-fix": Row(
        title="MLP, scaled initialisation",
        source=PART3,
        published={"train_loss": 2.036, "val_loss": 2.103},
        measure=trained(ModelConfig(), LECTURE),
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
        measure=trained(BATCH.replace(context_size=8), LECTURE),
    ),
    "wavenet": Row(
        title="WaveNet, context 8, 76,579 parameters",
        source=PART5,
        published={"train_loss": 1.769, "val_loss": 1.993},
        measure=trained(ModelConfig(architecture="wavenet"), LECTURE),
    ),
    "transformer": Row(
        title="Transformer, 4 layers, 4 heads, dimension 64",
        source="karpathy/makemore README, test split",
        published={"test_loss": 1.92},
        measure=trained(PRESETS["transformer"].model, PRESETS["transformer"].train, test=True),
        note="Ours is the preset: whole words, 5,000 updates of 64.",
    ),
    "best-mlp": Row(
        title="The best MLP found, the preset",
        source="none; tuned on validation with seeds 11 and 12, split seeds 7 and 8",
        measure=trained(PRESETS["best"].model, PRESETS["best"].train),
    ),
    "lstm": Row(
        title="LSTM, the preset",
        source="none; tuned on validation with seed 101",
        measure=trained(PRESETS["lstm"].model, PRESETS["lstm"].train),
    ),
}


def load() -> dict[str, Any]:
    """What has been measured: corpus sha256 → ``name`` and ``rows``: row → seed → losses and seconds."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(results: dict[str, Any]) -> None:
    """Keep the results, and write the page from them."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(page(results))


def measure(corpus: Corpus, names: list[str], seeds: list[int]) -> None:
    """Measure what is missing of some rows."""
    for name in names:
        row = ROWS[name]
        for seed in seeds if row.seeded else seeds[:1]:
            known = load().get(corpus.sha256, {}).get("rows", {}).get(name, {})
            if str(seed) in known:
                continue
            began = time.perf_counter()
            losses = row.measure(corpus, seed)
            losses["seconds"] = round(time.perf_counter() - began, 1)
            results = load()  # again: another process may have written meanwhile
            entry = results.setdefault(
                corpus.sha256, {"name": f"{corpus.name}, {len(corpus.words):,} words", "rows": {}}
            )
            entry["rows"].setdefault(name, {})[str(seed)] = losses
            save(results)
            print(f"{name}, seed {seed}: {losses}", flush=True)


def page(results: dict[str, Any]) -> str:
    """PARITY.md."""
    intro = (
        "# Parity with published results\n\n"
        "Losses in nats per character, exact over the whole split; ours: mean ± standard deviation over seeds. Written "
        "by `make parity`, from `results/parity.json`. The published figures belong to the lecture's list of 32,033 "
        "names; `make parity DATA=path/to/names.txt` measures on it for whoever has it. Ours is a newer revision of "
        "the same source, so a difference may be the words': a model's own column on both lists tells.\n"
    )
    return intro + "".join(table(entry) for entry in results.values())


def table(entry: dict[str, Any]) -> str:
    """One corpus's rows."""
    head = ["Row", "Published", "Source", "Ours", "Seeds", "Seconds each", "Within 0.03", "Command"]
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
        seconds = statistics.mean(run["seconds"] for run in runs)
        verdict = ("yes" if near else "no") if row.published else ""
        cells = [row.title, said(row.published), row.source, shown, str(len(runs)), f"{seconds:.0f}", verdict, command]
        lines.append("| " + " | ".join(cells) + " |")
        notes += [f"- {row.title}: {row.note}"] * bool(row.note)
    return "\n".join([*lines, "", *notes]) + "\n"


def said(losses: dict[str, Any]) -> str:
    """Losses in a table's cell."""
    return ", ".join(f"{name.removesuffix('_loss')} {loss}" for name, loss in losses.items())


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="of: " + ", ".join(ROWS))
    parser.add_argument("--data", type=Path, default=BUNDLED_NAMES)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"rows must be of {', '.join(ROWS)}, got {', '.join(sorted(unknown))}")
    measure(read_words(options.data), options.rows or list(ROWS), [int(seed) for seed in options.seeds.split(",")])
