"""The server's store and workers, and what it keeps ready: corpora, datasets, weights."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from mmcore.config import RunConfig, SplitConfig
from mmcore.corpus import BUNDLED_NAMES, Corpus, read_words
from mmcore.dataset import Dataset, Splits, Vocab, build_dataset, split_words
from mmcore.gallery import GALLERY, gallery_corpus
from mmcore.logs import write_logs
from mmcore.store import ENDED, Run, RunFilter, RunStore, StoreUnavailable
from ui.kit.nouns import shared
from ui.kit.text import plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from mmcore import Artifact
    from mmcore.jobs import JobQueue, ProcessWorkers, Turns
    from mmcore.jobs.worker import Task
    from mmcore.model import Model


EARLIER = 20  # runs that say how fast this machine is
T = TypeVar("T")

log = logging.getLogger(__name__)


# ---- the server's


@st.cache_resource(show_spinner=False)
def bundled() -> Corpus:
    """The names that every store holds."""
    return read_words(BUNDLED_NAMES)


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The server's run store; holds the bundled names from the first day."""
    opened = RunStore()
    try:
        opened.add_corpus(bundled())
    except ValueError as error:  # not a store, or that of a newer version
        raise StoreUnavailable(str(error)) from error
    return opened


class NoWorkers(RuntimeError):
    """A setting of the server names workers that there cannot be."""


@st.cache_resource(show_spinner=False)
def workers() -> ProcessWorkers:
    """The worker processes of this server: they train what is queued, unless a cluster does, and answer visitors."""
    from mmcore.jobs import ProcessWorkers

    return ProcessWorkers()


@st.cache_resource(show_spinner=False)
def queue() -> JobQueue:
    """What has runs trained; asking for it first starts the workers, and they end with the server."""
    from mmcore.jobs import JobQueue, workers_of_environment

    workers().start(store().url)
    atexit.register(workers().close)
    try:
        who = workers_of_environment(workers())
    except ValueError as error:
        raise NoWorkers(str(error)) from error
    started = JobQueue(store().url, who)
    started.start()
    atexit.register(started.close)
    return started


@contextlib.asynccontextmanager
async def serving(_: st.App) -> AsyncIterator[None]:
    """From the start of the server to its end its workers train what is queued, whether or not anyone visits."""
    try:
        write_logs()
    except ValueError as error:
        log.error("%s", error)
    with ThreadPoolExecutor(1, "start workers") as starting:  # beside the server, which answers meanwhile
        starting.submit(_start_workers)
        yield
        await asyncio.to_thread(_end_workers)


def _start_workers() -> None:
    try:
        queue()
    except (OSError, NoWorkers) as error:  # the first visitor reads the same
        log.error("no workers: %s", error)


def _end_workers() -> None:
    """A server that was told to end by a signal runs no ``atexit`` functions."""
    with contextlib.suppress(OSError, NoWorkers):
        queue().close()
        workers().close()


def said(problem: Exception) -> bool:
    """Show in a sentence that the store or the workers cannot be used; whether this was such a problem."""
    if isinstance(problem, StoreUnavailable):
        st.error(plain(f"{problem}. Nothing that was stored is changed; reload the page to try again."))
    if isinstance(problem, NoWorkers):
        st.error(plain(f"{problem}. Nothing is trained until this server is started with another setting."))
    return isinstance(problem, (StoreUnavailable, NoWorkers))


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Show such a problem, without a traceback in the log."""
    try:
        yield
    except (StoreUnavailable, NoWorkers) as problem:
        said(problem)


@st.cache_resource(show_spinner=False)
def turns() -> Turns:
    """The worker reserved for throw-away models, and who is next."""
    from mmcore.jobs import Turns

    queue()  # it starts the workers
    return Turns(workers().apart)


def on_worker(function: Task[T], *args: object, doing: str) -> T:
    """What ``function(worker, *args, withdrawn)`` gives on the worker that visitors share, while this script waits.

    The request is withdrawn where the script ends before it: its visitor has moved on, asked anew or left.
    """
    visitor: str = st.session_state.setdefault("visitor", secrets.token_hex(8))  # of this tab: others have their own
    line, shared = st.empty(), turns()
    future = shared.submit(visitor, function, *args)
    try:
        while not wait([future], timeout=0.1).done:
            ahead = shared.ahead(visitor)
            # Writing to the page is also where Streamlit ends this script when the visitor moves on or leaves.
            line.caption(f"Waiting for {ahead} other {'model' if ahead == 1 else 'models'} …" if ahead else doing)
    finally:
        if not future.done():
            shared.withdraw(visitor)
    line.empty()
    return future.result()


@st.cache_resource(show_spinner=False, max_entries=16)
def corpus(sha256: str) -> Corpus:
    """A stored corpus, by its hash."""
    return store().corpus(sha256)


@st.cache_resource(show_spinner=False)
def _gallery() -> dict[str, str]:
    """Which of the lists that come with the app has which hash."""
    return {gallery_corpus(key).sha256: key for key in GALLERY}


def corpus_here(sha256: str) -> Corpus | None:
    """A stored corpus, by its hash, or one of those that come with the app, which is then stored; else None."""
    with contextlib.suppress(ValueError):
        return corpus(sha256)
    if (key := _gallery().get(sha256)) is None:
        return None
    store().add_corpus(gallery_corpus(key))
    return corpus(sha256)


@st.cache_resource(show_spinner=False, max_entries=1024)
def vocab(sha256: str) -> Vocab:
    """The vocabulary of a stored corpus, without building its dataset."""
    return Vocab.of(corpus(sha256))


@st.cache_resource(show_spinner=False, max_entries=16)
def splits(sha256: str, split: SplitConfig) -> Splits:
    """The words of a corpus's splits; ``ValueError`` where they cannot be made."""
    return split_words(corpus(sha256).words, split)


def tokens(configs: Iterable[RunConfig]) -> str:
    """What the symbols of some runs are, as sentences about all of them have it."""
    return shared(_tokens(sha256) for sha256 in {config.corpus_sha256 for config in configs})


@st.cache_resource(show_spinner=False, max_entries=1024)
def _tokens(sha256: str) -> str:
    """Of a list of runs on many corpora: few of those are in memory."""
    return corpus(sha256).tokens


@st.cache_resource(show_spinner="Building the dataset …", max_entries=16)
def dataset(sha256: str, split: SplitConfig, context_size: int) -> Dataset:
    """A corpus split and cut into context → next-character pairs."""
    return build_dataset(corpus(sha256), split, context_size)


def run_dataset(run: Run) -> Dataset:
    """The dataset a run was trained on."""
    return dataset(run.config.corpus_sha256, run.config.split, run.config.model.context_size)


def artifact(run: Run) -> Artifact | None:
    """The run's last saved weights, ready to use; None before the first are saved."""
    return None if run.weights_step is None else _artifact(run.id, run.weights_step)


@st.cache_resource(show_spinner=False, max_entries=16)
def _artifact(run_id: str, weights_step: int) -> Artifact | None:
    weights = store().weights(run_id)
    return None if weights is None else loaded(weights)


def at_step(run: Run, last: Artifact, step: int) -> Artifact:
    """The run as it was at one of the steps whose weights it keeps: the same artifact with those weights."""
    return last if step == last.step else _at_step(run.id, last.step, step, last)


@st.cache_resource(show_spinner=False, max_entries=64)
def _at_step(run_id: str, last_step: int, step: int, _last: Artifact) -> Artifact:
    from mmcore import restore

    return replace(_last, model=restore(_last.model, store().checkpoint(run_id, step)), step=step, losses={})


@st.cache_data(show_spinner=False, max_entries=256)
def val_loss(run_id: str, step: int, _run: Run, _model: Model) -> float:
    """The exact validation loss of a run's weights at a step."""
    from mmcore.evaluation import evaluate

    return evaluate(_model, run_dataset(_run).val).loss


@st.cache_resource(show_spinner="Loading the weights …", max_entries=16)
def loaded(weights: bytes) -> Artifact:
    """An artifact from its file's bytes."""
    import torch  # only pages that use weights wait for it

    from mmcore import load

    torch.set_num_threads(1)  # beside busy workers a second thread makes tensors this small ten times slower
    return load(weights)


def earlier_runs() -> list[tuple[RunConfig, int, float]]:
    """Config, steps done and seconds of the newest runs that are over: what expected times are learned from."""
    over = store().runs(RunFilter(states=ENDED), limit=EARLIER)
    return [(run.config, run.step, run.seconds) for run in over]


def bundled_sha256() -> str:
    """The bundled names, by their hash."""
    return bundled().sha256
