"""The command line: ``python -m mmcore train|evaluate|sample|runs``.

Results go to stdout, everything else to stderr. A run trained here is in the same store as the app's. What
needs torch is imported when a command needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from .config import (
    ACTIVATIONS,
    FAMILIES,
    INITS,
    NORMALISATIONS,
    OPTIMIZERS,
    PRESETS,
    SAMPLERS,
    SCHEDULES,
    ModelConfig,
    Preset,
    RunConfig,
    SplitConfig,
    TrainConfig,
    preset_for,
    require,
)
from .cost import accept
from .data import BUNDLED_NAMES, Corpus, CorpusReport, Splits, Vocab, join, read_words, split_words
from .store import Run, RunState, RunStore, UnreadableRun, new_token

if TYPE_CHECKING:
    from .artifact import Artifact
    from .training import Step

app = typer.Typer(
    help="Train character-level neural language models, and use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
runs = typer.Typer(help="The runs in the store, the app's and the command line's.", no_args_is_help=True)
app.add_typer(runs, name="runs")
corpora = typer.Typer(help="The lists of words in the store.", no_args_is_help=True)
app.add_typer(corpora, name="corpora")


@app.callback()
def utf8() -> None:
    """Train character-level neural language models, and use them."""
    for stream in (sys.stdout, sys.stderr):  # words of any script, whatever the locale
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


STOPPED_BY_CTRL_C = 130  # what shells expect: 128 + SIGINT
STOPPED_BY_PIPE = 141  # 128 + SIGPIPE
SHORT = 10  # digits of a corpus's hash that are shown
SHOWN = ("train_loss", "val_loss", "val_loss_unseen")
SEALED = ("test_loss", "test_loss_unseen")
SUFFIXES = (".safetensors", ".pt", ".pth")

P = ParamSpec("P")
R = TypeVar("R")


def sentences(command: Callable[P, R]) -> Callable[P, R]:
    """Errors a user can cause end a command with one sentence on stderr and exit code 2, Ctrl-C with 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:  # whoever reads has had enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends
            raise typer.Exit(STOPPED_BY_PIPE) from None
        except (ValueError, OSError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(STOPPED_BY_CTRL_C) from None

    return wrapped


def one_of(*options: str) -> str:
    """How a choice is shown in the help; the config refuses what is not among them."""
    return "|".join(options)


Data = Annotated[Path, typer.Option(help="A text file, one word a line.", show_default="the bundled names")]
Lowercase = Annotated[
    bool, typer.Option("--lowercase/--no-lowercase", help="Lower-case the words, as the app does unless told.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
OpenTest = Annotated[bool, typer.Option("--open-test", help="Show the test losses too. Look once, at the end.")]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors file made by train or runs export.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="As shown by runs list, or as much as is one run's only.")]
Out = Annotated[Path | None, typer.Option(help="Write the model here (.safetensors, or .pt, .pth).")]


# ---- train


@app.command()
@sentences
def train(
    context: typer.Context,
    data: Data = BUNDLED_NAMES,
    val_data: Annotated[
        Path | None, typer.Option(help="A file of validation words: with --test-data, --data is the train split.")
    ] = None,
    test_data: Annotated[Path | None, typer.Option(help="A file of test words, with --val-data.")] = None,
    lowercase: Lowercase = True,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar=one_of(*PRESETS), help="Where the settings start from.", show_default="quick, or the architecture's"
        ),
    ] = None,
    architecture: Annotated[str | None, typer.Option(metavar=one_of(*FAMILIES), help="Which architecture.")] = None,
    context_size: Annotated[int | None, typer.Option(help="Preceding characters the model sees.")] = None,
    embedding_dim: Annotated[int | None, typer.Option(help="Length of a character's vector.")] = None,
    hidden_size: Annotated[
        list[str] | None,
        typer.Option(help="Hidden units: once a layer, or a list as in 200,100; none for no hidden layer."),
    ] = None,
    activation: Annotated[str | None, typer.Option(metavar=one_of(*ACTIVATIONS))] = None,
    normalisation: Annotated[
        str | None, typer.Option(metavar=one_of(*NORMALISATIONS), help="Of hidden layers.")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="Blocks of a transformer.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention patterns in parallel, of a transformer.")] = None,
    direct: Annotated[
        bool | None, typer.Option("--direct/--no-direct", help="Connect the embeddings to the output directly.")
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of hidden activations set to 0 while training.")] = None,
    state_dropout: Annotated[
        float | None, typer.Option(help="The same, of what a GRU or LSTM adds to its state.")
    ] = None,
    init: Annotated[str | None, typer.Option(metavar=one_of(*INITS))] = None,
    max_steps: Annotated[int | None, typer.Option(help="Updates.")] = None,
    batch_size: Annotated[int | None, typer.Option()] = None,
    sampler: Annotated[str | None, typer.Option(metavar=one_of(*SAMPLERS), help="Where batches come from.")] = None,
    optimizer: Annotated[str | None, typer.Option(metavar=one_of(*OPTIMIZERS))] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    schedule: Annotated[str | None, typer.Option(metavar=one_of(*SCHEDULES), help="Of the learning rate.")] = None,
    decay_rate: Annotated[float | None, typer.Option(help="Of the inverse-time schedule.")] = None,
    weight_decay: Annotated[float | None, typer.Option()] = None,
    patience: Annotated[
        int | None, typer.Option(help="Checks without a better validation loss before stopping; 0: never.")
    ] = None,
    check_every: Annotated[int | None, typer.Option(help="Updates between those checks.")] = None,
    threads: Annotated[int | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option(help="Of initialisation, batches and dropout.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Of the split into train, validation and test.")] = None,
    train_fraction: Annotated[float | None, typer.Option()] = None,
    val_fraction: Annotated[float | None, typer.Option()] = None,
    deduplicate: Annotated[
        bool | None, typer.Option("--deduplicate/--no-deduplicate", help="Drop repeated words before splitting.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the run; the preset's if not given.")] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, as a run in the store. Options that are given override the preset's."""
    start = chosen_preset(preset, architecture)
    given = dict(context.params) | model_options(start.model, context.params)
    _check_writable(out)
    corpus, fixed = read_data(data, val_data, test_data, lowercase=lowercase)
    config = RunConfig(
        corpus_sha256=corpus.sha256,
        split=changed(SplitConfig(), given | {"fixed": fixed}),
        model=changed(start.model, given),
        train=changed(start.train, given),
    )
    examples = example_counts(split_words(corpus.words, config.split))
    accept(config, corpus.report)
    store = RunStore()
    store.add_corpus(corpus)
    with progress_bar(config.train.max_steps) as show:
        run = _trained(store, config, name, show)
    vocab_size = Vocab.from_words(corpus.words).size
    facts: dict[str, Any] = {"words": len(corpus.words), "lowercase": lowercase, "vocab_size": vocab_size}
    facts |= {"parameters": config.model.parameters(vocab_size), "splits": examples}
    _conclude(store, run, facts, out, as_json)


def _conclude(store: RunStore, run: Run, facts: dict[str, Any], out: Path | None, as_json: bool) -> None:
    """Write and say what a training came to; that a file could not be written, after all that was said."""
    problem, weights = None, store.weights(run.id) if out else None
    if out and weights:
        try:
            _write(out, _with_words(store, run, weights))
        except OSError as error:
            problem = (
                f"{out} could not be written ({error.strerror}); python -m mmcore runs export {run.id} tries again"
            )
    written = str(out) if weights and not problem else None
    _print_summary(run_summary(run) | facts | {"out": written}, as_json)
    if problem:
        raise ValueError(problem)
    _end(run)


def read_data(
    data: Path, val_data: Path | None, test_data: Path | None, *, lowercase: bool
) -> tuple[Corpus, tuple[int, ...]]:
    """The words of one file; or those of three, and how many are train, validation and test."""
    alone = test_data if val_data is None else val_data
    require((val_data is None) == (test_data is None), "val_data and test_data", "given together", str(alone))
    paths = [path for path in (data, val_data, test_data) if path]
    corpora = [read_words(path, lowercase=lowercase) for path in paths]
    for corpus in corpora:
        say_cleaned(corpus.report, corpus.name if len(corpora) > 1 else "")
    if len(corpora) == 1:
        return corpora[0], ()
    return join(corpora), tuple(len(corpus.words) for corpus in corpora)


def say_cleaned(report: CorpusReport, name: str = "") -> None:
    """What reading the words changed in them, on stderr; with a name where there are several lists."""
    if said := report.cleaned_sentence():
        typer.echo(f"{name}: {said}" if name else said, err=True)


C = TypeVar("C", SplitConfig, ModelConfig, TrainConfig)


def changed(config: C, given: Mapping[str, Any]) -> C:
    """A config with the fields for which an option was given."""
    names = [field.name for field in dataclasses.fields(config)]
    return config.replace(**{name: given[name] for name in names if given.get(name) is not None})


def chosen_preset(preset: str | None, architecture: str | None) -> Preset:
    """Where the settings start from; ``ValueError`` for what there is not, or does not go together."""
    require(preset is None or preset in PRESETS, "preset", "one of " + ", ".join(PRESETS), preset)
    require(
        architecture is None or architecture in FAMILIES, "architecture", "one of " + ", ".join(FAMILIES), architecture
    )
    if preset is None:
        return PRESETS[preset_for(architecture) if architecture else "quick"]
    own = PRESETS[preset].model.architecture
    require(architecture in (None, own), "architecture", f"{own} for the preset {preset}", architecture)
    return PRESETS[preset]


def model_options(config: ModelConfig, options: Mapping[str, Any]) -> dict[str, Any]:
    """The model's options that were given, by field; ``ValueError`` for one that this architecture does not have."""
    named = {name: options.get(name) for family in FAMILIES.values() for name in names_of(family)}
    sizes = hidden_sizes(options["hidden_size"])
    several = "hidden_sizes" in names_of(type(config))
    require(several or sizes is None or len(sizes) == 1, "hidden_size", f"one number for {config.title}", sizes)
    named["hidden_sizes"] = sizes if several else None
    named["hidden_size"] = sizes[0] if sizes and not several else None
    given = {name: value for name, value in named.items() if value is not None}
    for name, value in given.items():
        require(name in names_of(type(config)), name, f"left out for {config.title}", value)
    return named


def names_of(family: type[ModelConfig]) -> list[str]:
    """The fields of an architecture."""
    return [field.name for field in dataclasses.fields(family)]


def hidden_sizes(options: list[str] | None) -> tuple[int, ...] | None:
    """``["200", "100,50"]`` as ``(200, 100, 50)``, ``["none"]`` as ``()``; None if the option was not given."""
    if not options:
        return None
    if options == ["none"]:
        return ()
    parts = [part.strip() for option in options for part in option.split(",")]
    for part in parts:
        require(part.isdecimal() and len(part) < 10, "hidden_size", "whole numbers as in 200,100, or none", part)
    return tuple(map(int, parts))


def example_counts(splits: Splits) -> dict[str, int]:
    """How many characters are predicted in each split: every word's, and its end."""
    return {name: sum(len(word) + 1 for word in words) for name, words in splits.items()}


def _trained(store: RunStore, config: RunConfig, name: str | None, show: Callable[[Step], None]) -> Run:
    """Create a run, claimed from the start so that no running app takes it, and train it here."""
    from .jobs import run_inline

    token = new_token()
    run = store.create(config, name=name, token=token)
    return run_inline(store, run.id, show, token)


@contextlib.contextmanager
def progress_bar(max_steps: int) -> Iterator[Callable[[Step], None]]:
    """A bar on stderr with loss, speed and time left; yields what shows a step."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=max_steps, losses="", speed="")
        first: list[Step] = []

        def show(step: Step) -> None:
            first.append(step) if not first else None
            elapsed, done = step.seconds - first[0].seconds, step.step - first[0].step
            values: dict[str, Any] = {"completed": step.step}
            values |= {"speed": f"{done / elapsed:,.0f} steps/s"} if elapsed > 0 else {}
            values |= {"losses": losses_line(step)} if step.val_loss is not None else {}
            progress.update(task, **values)

        yield show


def losses_line(step: Step) -> str:
    """The losses of an evaluated step, in a few words."""
    return f"train {_loss(step.train_loss)}, validation {_loss(step.val_loss)}"


def run_summary(run: Run) -> dict[str, Any]:
    """What a run came to, without its test losses."""
    summary: dict[str, Any] = {"run": run.id, "name": run.name, "state": str(run.state), "error": run.error}
    summary |= {name: _finite(run.losses.get(name)) for name in SHOWN}
    return summary | {"steps": run.step, "max_steps": run.max_steps, "seconds": round(run.seconds, 3)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _check_writable(out: Path | None) -> None:
    """Say before training what would go wrong after it."""
    if out is None:
        return
    require(out.suffix.lower() in SUFFIXES, "out", "a file ending in " + ", ".join(SUFFIXES), str(out))
    require(not out.is_dir(), "out", "a file", str(out))
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ValueError(f"out must be in a folder that can be written, got {out} ({error.strerror})") from None


def _with_words(store: RunStore, run: Run, weights: bytes) -> bytes:
    """A run's weights with a record of the words it was trained on, which the store has and a file has not."""
    from .artifact import with_words

    return with_words(weights, split_words(store.corpus(run.config.corpus_sha256).words, run.config.split))


def _write(out: Path, weights: bytes) -> None:
    """Write a model as what the file's name says, beside it first: a full disk leaves no half a file."""
    from .artifact import load

    content = weights if out.suffix.lower() == ".safetensors" else load(weights).to_state_dict_bytes()
    handle, beside = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, out)
    except OSError:
        os.unlink(beside)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _print_summary(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))
        return
    shown = {key: value for key, value in summary.items() if value not in (None, {})}
    if "splits" in shown:
        shown["splits"] = ", ".join(f"{name} {count:,} examples" for name, count in shown["splits"].items())
    table = Table.grid(padding=(0, 2))
    for key, value in shown.items():
        table.add_row(key.replace("_", " "), _loss(value) if isinstance(value, float) else _text(value))
    Console().print(table)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _end(run: Run) -> None:
    """The exit code that says how a run ended, and a sentence if it did not finish."""
    if run.state is RunState.FINISHED:
        return
    if run.state is RunState.STOPPED:
        typer.echo(f"Stopped at step {run.step:,} of {run.max_steps:,}; run {run.id} is kept in the store.", err=True)
        raise typer.Exit(STOPPED_BY_CTRL_C)
    raise ValueError(run.error or f"run {run.id} was {run.state} at step {run.step:,}; it is kept in the store")


# ---- evaluate and sample


@app.command()
@sentences
def evaluate(
    model: ModelFile,
    data: Data = BUNDLED_NAMES,
    lowercase: Annotated[
        bool | None,
        typer.Option("--lowercase/--no-lowercase", help="Lower-case the words.", show_default="as its own were"),
    ] = None,
    split_seed: Annotated[int | None, typer.Option(show_default="the one it was trained with")] = None,
    open_test: OpenTest = False,
    as_json: AsJson = False,
) -> None:
    """Exact losses of a model: on the splits of its own words, or one loss on any other list."""
    from .artifact import load
    from .data import Dataset

    artifact = load(model)
    corpus = read_words(data, lowercase=not artifact.vocab.has_capitals if lowercase is None else lowercase)
    say_cleaned(corpus.report)
    if corpus.sha256 != artifact.config.corpus_sha256:
        require(split_seed is None, "split_seed", "left out for words that are not the model's own", split_seed)
        require(not open_test, "open_test", "left out for words that are not the model's own", open_test)
        _evaluate_list(artifact, corpus.words, as_json)
        return
    split = changed(artifact.config.split, {"split_seed": split_seed})
    dataset = Dataset(artifact.vocab, artifact.config.model.context_size, split_words(corpus.words, split))
    values = _losses(artifact, dataset, open_test)
    if split != artifact.config.split:
        trained = artifact.config.split.split_seed
        typer.echo(f"Warning: the model was trained at split seed {trained}; it knows words of every split.", err=True)
        values = {name: value for name, value in values.items() if not name.endswith("_unseen")}
    if as_json:
        losses = {name: _finite(loss) for name, (loss, _) in values.items()}
        facts = {"splits": example_counts(dataset.splits), "split_seed": None if split.fixed else split.split_seed}
        typer.echo(json.dumps(losses | facts | {"same_corpus": True}))
        return
    _print_losses({name.replace("_loss", "").replace("_", ", "): value for name, value in values.items()}, "split")


def _print_losses(values: Mapping[str, tuple[float, int]], of: str) -> None:
    table = Table(of, "loss (nats)", "perplexity", "bits per character", "examples")
    for label, (loss, examples) in values.items():
        perplexity = f"{math.exp(loss):.2f}" if loss < 20 else f"{math.exp(loss):.2g}" if loss < 700 else "∞"
        table.add_row(label, _loss(loss), perplexity, _loss(loss / math.log(2)), f"{examples:,}")
    Console().print(table)


def _evaluate_list(artifact: Artifact, words: tuple[str, ...], as_json: bool) -> None:
    """One loss over a list that is not the model's own, which has no splits, and how many of it are known."""
    from .data import build_examples
    from .evaluation import evaluate as exact

    losses = exact(artifact.model, build_examples(words, artifact.vocab, artifact.config.model.context_size))
    trained = _trained_on(artifact, words)
    if as_json:
        facts = {"words": len(words), "trained_words": trained, "same_corpus": False}
        typer.echo(json.dumps({"loss": _finite(losses.loss), "examples": losses.examples} | facts))
        return
    _print_losses({"all words": (losses.loss, losses.examples)}, "list")
    told = "this word" if len(words) == 1 else f"these {len(words):,} words"
    if trained is None:
        typer.echo(f"Of {told} it is not known how many the model was trained on: its file does not say.")
    else:
        typer.echo(f"Of {told} the model was trained on {trained:,}.")


def _trained_on(artifact: Artifact, words: tuple[str, ...]) -> int | None:
    """How many words are in the model's train split, if its file or the bundled names tell."""
    from .artifact import word_hashes

    if artifact.trained_words is None:
        with contextlib.suppress(ValueError):  # an installation without the bundled names
            bundled = read_words(BUNDLED_NAMES)
            if bundled.sha256 == artifact.config.corpus_sha256:
                train = split_words(bundled.words, artifact.config.split).train
                artifact = dataclasses.replace(artifact, trained_words=word_hashes(train))
    return artifact.trained_on(words)


def _losses(artifact: Artifact, dataset: Any, open_test: bool) -> dict[str, tuple[float, int]]:
    """Loss and number of examples by name; the test split is not even looked at unless opened."""
    from .evaluation import evaluate as exact

    parts = {name: name.replace("_loss", "") for name in SHOWN + (SEALED if open_test else ())}
    measured = {name: exact(artifact.model, getattr(dataset, part)) for name, part in parts.items()}
    return {name: (losses.loss, losses.examples) for name, losses in measured.items() if losses.examples}


@app.command()
@sentences
def sample(
    model: ModelFile,
    n: Annotated[int, typer.Option("-n", "--number", help="How many words.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same words.")] = 0,
    temperature: Annotated[float, typer.Option(help="Below 1 plays safe, above 1 takes risks; 0 is argmax.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k most likely characters only.")] = None,
    prefix: Annotated[str, typer.Option(help="What every word starts with.")] = "",
    max_length: Annotated[int, typer.Option(help="Characters at most; a word that is cut there is reported.")] = 100,
) -> None:
    """Draw words from a model, one a line."""
    from .artifact import load
    from .sample import generate

    artifact = load(model)
    if (typed := artifact.vocab.typed(prefix)) != prefix:
        typer.echo(f"The prefix is read as {typed!r}, cleaned as the model's words were.", err=True)
    wishes: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "prefix": prefix, "max_length": max_length}
    words = generate(artifact.model, artifact.vocab, n, sample_seed=seed, **wishes)
    for drawn in words:
        typer.echo(drawn.word)
    if cut := sum(not drawn.ended for drawn in words):
        typer.echo(f"Warning: {cut:,} of {n:,} words were cut at {max_length:,} characters (--max-length).", err=True)


# ---- runs


def looked_at() -> RunStore:
    """The store, with runs whose worker is gone marked as interrupted; without room for that it can still be read."""
    store = RunStore()
    with contextlib.suppress(OSError):
        store.expire_leases()
    return store


@runs.command("list")
@sentences
def list_runs(as_json: AsJson = False) -> None:
    """All runs, newest first."""
    store = looked_at()
    found = store.runs()
    for unreadable in store.unreadable():
        typer.echo(f"Warning: {unreadable}", err=True)
    if as_json:
        typer.echo(json.dumps([run_summary(run) | {"created": run.created.isoformat()} for run in found]))
        return
    if not found:
        typer.echo("No runs yet: python -m mmcore train", err=True)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("id", "state", "step", "val loss", "created (UTC)", "name"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("step", "val loss") else "left")
    console = Console()
    narrow = console.is_terminal or "COLUMNS" in os.environ
    room = max(8, console.width - TAKEN) if narrow else None  # what goes to a file or a pipe is not cut
    for run in found:
        cells = (run.id, str(run.state), f"{run.step:,}", _loss(run.losses.get("val_loss")))
        table.add_row(*cells, f"{run.created:%Y-%m-%d %H:%M}", _cut(run.name, room))
    (console if narrow else Console(width=1_000)).print(table)


TAKEN = 66  # columns before the name, in the list of runs


def _cut(text: str, room: int | None) -> Text:
    """A name in so many columns of a terminal; whole where there is no limit."""
    shown = Text(text)
    if room is not None:
        shown.truncate(room, overflow="ellipsis")
    return shown


def _loss(loss: float | None) -> str:
    """Four decimals; of a run that went astray, its size."""
    return "" if loss is None else f"{loss:.4f}" if abs(loss) < 1e4 else f"{loss:.2g}"


@runs.command("show")
@sentences
def show_run(run_id: RunId, open_test: OpenTest = False, as_json: AsJson = False) -> None:
    """One run: state, losses, settings."""
    store = looked_at()
    run_id = store.whole_id(run_id)
    run = store.run(run_id)
    summary = run_summary(run) | {"note": run.note, "corpus": run.corpus_name, "created": run.created.isoformat()}
    if open_test:
        summary["test_openings"] = store.open_test(run_id)
        opened = store.run(run_id).losses
        summary |= {name: opened.get(name) for name in SEALED}
    config = run.config.to_dict()
    if as_json:
        _print_summary(summary | {"config": config}, as_json)
        return
    settings = config["split"] | config["model"] | config["train"]
    _print_summary(summary | {key: str(value) for key, value in settings.items()}, as_json)


@runs.command("continue")
@sentences
def continue_run(
    run_id: RunId,
    more_steps: Annotated[
        int | None, typer.Option(help="Updates beyond those it was to make; needed for a finished run.")
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Let a run go on that was stopped or interrupted, as if it never had been; or train a finished one longer."""
    from .jobs import run_inline
    from .reading import longer

    _check_writable(out)
    store = looked_at()
    run = store.run(store.whole_id(run_id))
    require(more_steps is None or more_steps >= 1, "more_steps", "at least 1", more_steps)
    needed = run.state is RunState.FINISHED and more_steps is None
    require(not needed, "more_steps", "given for a finished run", more_steps)
    max_steps, token = run.max_steps + (more_steps or 0), new_token()
    store.continue_run(run.id, max_steps=max_steps if more_steps else None, token=token)
    if more_steps:
        typer.echo(longer(run.config.train, run.step, max_steps), err=True)
    with progress_bar(max_steps) as show:
        run = run_inline(store, run.id, show, token)
    _conclude(store, run, {}, out, as_json)


@runs.command("export")
@sentences
def export_run(
    run_id: RunId,
    out: Annotated[
        Path | None, typer.Option(help="A .safetensors, .pt or .pth file.", show_default="ID.safetensors")
    ] = None,
) -> None:
    """Write a run's model to a file."""
    store = RunStore()
    run_id = store.whole_id(run_id)
    out = out or Path(f"{run_id}.safetensors")
    _check_writable(out)
    run = store.run(run_id)
    weights = store.weights(run_id)
    if weights is None:
        raise ValueError(f"run {run_id} must have saved weights to be exported, got one that is {run.state}")
    _write(out, _with_words(store, run, weights))
    typer.echo(str(out))


@runs.command("delete")
@sentences
def delete_run(run_id: RunId, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a run with its curve and its weights."""
    store = RunStore()
    run_id = store.whole_id(run_id)
    try:
        run = store.run(run_id)
        what = f"{run.name}, {run.step:,} steps"
    except UnreadableRun as unreadable:
        what = unreadable.name
    if not yes:
        typer.confirm(f"Delete run {run_id} ({what}) for good?", abort=True, err=True)
    store.delete(run_id)
    typer.echo(f"Deleted run {run_id}.", err=True)


@runs.command("gc")
@sentences
def collect_checkpoints(
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default="all runs")] = None,
    max_mb: Annotated[float, typer.Option(help="Megabytes (2^20 bytes) of checkpoints a run may keep.")] = 4.0,
    keep_last_only: Annotated[bool, typer.Option("--keep-last-only", help="Keep no checkpoints at all.")] = False,
    older_than: Annotated[float, typer.Option(metavar="DAYS", help="Only runs made so many days ago or more.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and keep it.")] = False,
) -> None:
    """Drop the weights that runs keep along the way, beyond a limit; the last weights of a run always stay."""
    require(max_mb >= 0, "max_mb", "at least 0", max_mb)
    require(older_than >= 0, "older_than", "at least 0 days", older_than)
    store = RunStore()
    made_before = datetime.now(UTC) - timedelta(days=older_than)
    found = [store.run(store.whole_id(run_id)) for run_id in run_ids] if run_ids else store.runs()
    chosen = [run.id for run in found if run.created <= made_before]
    limit = 0 if keep_last_only else int(max_mb * 2**20)
    dropped, freed = store.collect(chosen, limit=limit, dry_run=dry_run)
    if not dry_run:
        store.compact()
    verb = "Would free" if dry_run else "Freed"
    typer.echo(f"{verb} {freed:,} bytes: {dropped:,} checkpoints of {len(chosen):,} runs looked at.")


# ---- corpora


@corpora.command("list")
@sentences
def list_corpora(as_json: AsJson = False) -> None:
    """All corpora, newest first, and how many runs are on each."""
    found = RunStore().corpora()
    found["created"] = [created.isoformat(timespec="minutes") for created in found["created"]]
    if as_json:
        typer.echo(json.dumps(found.to_dict("records")))
        return
    table = Table("sha256", Column("name", ratio=1, no_wrap=True), "words", "runs", "created (UTC)")
    for row in found.to_dict("records"):
        created = row["created"][:16].replace("T", " ")
        table.add_row(row["sha256"][:SHORT], _text(row["name"]), f"{row['words']:,}", f"{row['runs']:,}", created)
    Console().print(table)


@corpora.command("delete")
@sentences
def delete_corpus(
    sha256: Annotated[str, typer.Argument(help="As shown by corpora list, or its first digits.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a corpus that has no runs."""
    store = RunStore()
    found = store.corpora()
    found = found[found["sha256"].str.startswith(sha256)]
    require(len(found) == 1 and bool(sha256), "sha256", "the beginning of one corpus's in the store", sha256)
    whole, name = found["sha256"].iloc[0], found["name"].iloc[0]
    if not yes:
        typer.confirm(f"Delete corpus {whole[:SHORT]} ({name}) for good?", abort=True, err=True)
    store.delete_corpus(whole)
    typer.echo(f"Deleted corpus {whole[:SHORT]}.", err=True)
