"""One run, from its claim to its end: trained in this process, written to the store as it goes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..checkpoint import Checkpoint, affordable, checkpoint_steps, restore, weights_of
from ..config import Origin, RunConfig
from ..dataset import Dataset
from ..fields import require
from ..logs import about
from ..losses import SHOWN, without_sealed
from ..store import (
    LEASE_SECONDS,
    MAX_POINTS,
    Progress,
    Run,
    RunState,
    RunStore,
    SavedWeights,
    StaleToken,
    StoreUnavailable,
    new_token,
    thinned,
)
from .interrupt import ctrl_c
from .worker import Worker

if TYPE_CHECKING:
    import pandas as pd

    from ..training import Step


TICK_SECONDS = 0.15  # between two looks at training, so that writes are at most 0.25 s apart
SAVE_SECONDS = 1.0  # between two saves of the weights
SAVE_SHARE = 0.05  # of the time that saving a large model may take
SPARING_SHARE = 0.02  # of the time of a run that keeps nothing along the way, for exact losses before its end
POLL_SECONDS = 0.25  # between a server's looks at the queue
LAST_SECONDS = 0.25  # that the losses at the end may take once someone asked for it
LONGEST_PAUSE = 2.0  # seconds between two tries of what the store refuses, so that little is lost by a kill right after
BEGIN_SECONDS = 600.0  # that a run waits to be read where the store is away; a damaged one never gives it
SAMPLES, SAMPLE_SEED = 8, 1

T = TypeVar("T")
log = logging.getLogger(__name__)


class Pauses:
    """How long to wait after each failure in a row: twice as long every time, and what failed is said once."""

    def __init__(self, first: float = POLL_SECONDS, longest: float = LONGEST_PAUSE) -> None:
        self.first = self.next = first
        self.longest, self.said = longest, ""

    def failed(self, sentence: str) -> float:
        """Seconds to wait now."""
        if sentence != self.said:
            log.warning("%s", sentence)
        pause, self.said = self.next, sentence
        self.next = min(self.longest, 2 * pause)
        return pause

    def over(self) -> None:
        """It works, or works again."""
        if self.said:
            log.warning("over: %s", self.said)
        self.next, self.said = self.first, ""


def run_inline(
    store: RunStore, run_id: str, on_step: Callable[[Step], None] | None = None, token: str | None = None
) -> Run:
    """Train one run in this process, and return it as it ended: a queued one, or one claimed with `token`.

    The whole process has as many threads meanwhile as the config says; for several runs at once see :func:`execute`.
    Ctrl-C stops the run within a second and keeps it; a second Ctrl-C, or one before the first step, does not wait
    for that.
    """
    token = token or store.claim(run_id)
    if token is None:
        raise ValueError(f"run must be queued, got {run_id} that is {store.run(run_id).state}")
    begun = threading.Event()

    def show(step: Step) -> None:
        begun.set()
        if on_step:
            on_step(step)

    with ctrl_c(begun) as stopped:
        _work(Worker(), store, run_id, token, show, stopped)
    return store.run(run_id)


def execute(worker: Worker, store_url: str, run_id: str, token: str | None = None) -> None:
    """Train one queued run to its end; what a worker is given. Returns at once if another was quicker.

    `token` is the secret to claim the run with, for a caller that wants to answer for this worker's death.
    """
    with worker.busy():
        if worker.leaving.is_set():
            return
        store, token = worker.store(store_url), token or new_token()
        if _claimed(store, run_id, token, worker.leaving):
            _work(worker, store, run_id, token)
        else:
            log.info("run %s is not to be had", run_id, extra={"run": run_id})


def _claimed(store: RunStore, run_id: str, token: str, leaving: threading.Event) -> bool:
    """Whether the run is this worker's now; it is, too, where the store went away before it could say so."""
    unsure = False

    def claim() -> bool:
        nonlocal unsure
        if store.claim(run_id, token):
            return True
        if unsure:
            with contextlib.suppress(StaleToken):
                store.record(run_id, token)
                return True
        return False

    def noticed() -> bool:
        nonlocal unsure
        try:
            return claim()
        except StoreUnavailable:
            unsure = True
            raise

    return _patiently(noticed, f"run {run_id} waits to be claimed", [leaving])


def _work(
    worker: Worker,
    store: RunStore,
    run_id: str,
    token: str,
    on_step: Callable[[Step], None] | None = None,
    stopped: threading.Event | None = None,
) -> None:
    """All that is between the claim of a run and its end."""
    training, last = None, Progress()
    error: dict[str, str] = {}
    hurry = [event for event in (worker.leaving, stopped) if event]
    with (
        about(run=run_id),
        _lease_kept(store, run_id, token),
        _stale_is_fine(run_id),
        contextlib.ExitStack() as until_the_end,
    ):
        try:
            read = functools.partial(_patiently, said=f"run {run_id} waits to be read", hurry=hurry, most=BEGIN_SECONDS)
            run = read(lambda: store.run(run_id))
            until_the_end.enter_context(worker.threads(run.config.train.threads))
            dataset = read(lambda: worker.dataset(run.config, lambda: store.corpus(run.config.corpus_sha256)))
            training = read(lambda: Training.of(store, run, token, dataset))
            log.info("run %s begins at step %d of %d", run_id, training.state.step, run.max_steps)
            state = training.go(on_step, worker.leaving, stopped)
            last = training.last()
        except StaleToken:
            raise
        except KeyboardInterrupt:  # the second one: the last saved weights are what stays
            state = RunState.STOPPED
        except Exception as problem:
            state, last = RunState.FAILED, training.last(problem) if training else Progress()
            error = {"error": _sentence(problem), "error_type": type(problem).__name__}
            if isinstance(problem, StoreUnavailable) and any(event.is_set() for event in hurry):
                state, error = RunState.INTERRUPTED, {}  # nothing is wrong with it: it could not be read in time

        def end() -> None:
            try:
                store.finish(run_id, token, state, last, **error)
            except StaleToken:
                store.record(run_id, token)  # a run whose worker was thought dead goes on, so that it can end
                store.finish(run_id, token, state, last, **error)

        _patiently(end, f"run {run_id} waits to be saved", hurry)
        reached = training.newest.step if training and training.newest else 0
        log.info("run %s is %s at step %d%s", run_id, state, reached, ": " + error["error"] if error else "")


def _patiently(call: Callable[[], T], said: str, hurry: Sequence[threading.Event], most: float = math.inf) -> T:
    """What `call` gives, as soon as the store is there.

    After `most` seconds, or in a hurry, :class:`StoreUnavailable` is raised instead.
    """
    pauses, over = Pauses(), time.monotonic() + most
    while True:
        try:
            result = call()
        except StoreUnavailable as problem:
            again = time.monotonic() + pauses.failed(f"{said}: {problem}")
            while time.monotonic() < again:
                if any(event.is_set() for event in hurry) or again > over:
                    raise
                time.sleep(TICK_SECONDS)
        else:
            pauses.over()
            return result


class Training:
    """A run in this process's memory; `write` is where its results go, and says whether to stop.

    One that is to keep no checkpoints along the way is one of many that nobody watches, as those of a sweep: it is
    sparing, draws no samples before its end, and seldom measures, writes and saves. Weights and losses are the same.
    """

    def __init__(
        self, config: RunConfig, dataset: Dataset, write: Callable[[Progress], bool], checkpoints: int = 0
    ) -> None:
        from ..train_state import TrainState

        self.config, self.dataset, self.write = config, dataset, write
        self.state = TrainState(config.model, config.train, self.dataset.vocab.size)
        self.seconds_before = 0.0  # this run's training before it was continued
        self.known: dict[int, dict[str, Any]] = {}  # what the curve has at the step from which it goes on
        self.newest: Step | None = None
        self.sparing = not checkpoints
        self.tick_seconds = 3 * TICK_SECONDS if self.sparing else TICK_SECONDS
        count = affordable(self.state.model.flat.numel(), checkpoints)
        self.film_steps = frozenset(checkpoint_steps(config.train.max_steps, count))
        self.points: list[Step] = []  # not written yet, as are these
        self.film: list[Checkpoint] = []
        began = time.monotonic() if self.sparing else -math.inf
        self.ticks, self.next_samples = 0, math.inf if self.sparing else 0.0
        self.next_write, self.next_save = began + self.tick_seconds, began + SAVE_SECONDS
        self.pauses = Pauses()
        self.events: Sequence[threading.Event] = ()  # each of them asks to stop or leave, as the store may
        self.asked, self.next_look = math.inf, 0.0  # when somebody did; when to look into the store again

    @classmethod
    def of(cls, store: RunStore, run: Run, token: str, dataset: Dataset) -> Training:
        """A claimed run, at the step at which it was last saved."""
        from safetensors.torch import load

        write = functools.partial(store.record, run.id, token)
        training = cls(run.config, dataset, write, run.checkpoints)
        if run.weights_step is not None and (saved := store.train_state(run.id)):
            training.state.load(load(saved))
            training.goes_on_from(store.history(run.id))
        elif run.config.origin:
            training.begin_with(run.config.origin, store.start(run.id))
        return training

    def begin_with(self, origin: Origin, weights: bytes | None) -> None:
        """Take another run's weights for the first ones; ``ValueError`` unless they are those of the origin."""
        same = weights is not None and hashlib.sha256(weights).hexdigest() == origin.weights_sha256
        what = f"those of step {origin.step:,} of run {origin.run_id}"
        require(same, "first weights", what, "others" if weights else "none")
        model = self.state.model
        model.flat.copy_(restore(model, Checkpoint(step=origin.step, weights=weights or b"")).flat)

    def goes_on_from(self, history: pd.DataFrame) -> None:
        """Take over what the curve says of the step that training goes on from; its point is written again."""
        step = self.state.step
        self.seconds_before = float(history.seconds[history.step <= step].max())
        for row in history[history.step == step].to_dict("records"):
            measured = {name: float(row[name]) for name in ("batch_loss", *SHOWN)}
            self.known[step] = {name: loss for name, loss in measured.items() if not math.isnan(loss)}

    def go(
        self,
        on_step: Callable[[Step], None] | None = None,
        leaving: threading.Event | None = None,
        stopped: threading.Event | None = None,
    ) -> RunState:
        """Train until the end, or until someone asks to stop or leave; the state the run is in then."""
        from ..training import Pace, train

        self.events = [event for event in (leaving, stopped) if event]
        pace = Pace(seconds=self.tick_seconds, at=self.film_steps)
        if self.sparing:
            pace = replace(pace, share=SPARING_SHARE, first=0.0, early=0.0, head_start=0.0)
        for step in train(self.state, self.dataset, pace=pace, stop=self.stops):
            known = self.known.pop(step.step, {})
            self.newest = replace(step, seconds=step.seconds + self.seconds_before, **known)
            stop = self.tick(self.newest)
            if on_step:
                on_step(self.newest)
            if step.step >= self.config.train.max_steps and (step.losses or not self.stops()):
                break
            if stop or any(event.is_set() for event in self.events):
                return RunState.INTERRUPTED if leaving and leaving.is_set() else RunState.STOPPED  # asked last
        return RunState.FINISHED

    def stops(self) -> bool:
        """Whether someone asked to stop or leave. Asked while losses are computed, which may take minutes."""
        now, wanted = time.monotonic(), any(event.is_set() for event in self.events)
        if not wanted and now >= max(self.next_look, self.next_write):
            self.next_look = now + self.tick_seconds
            try:
                wanted = self.write(Progress())
            except StoreUnavailable as problem:
                self.wait(problem)
        self.asked = min(self.asked, now) if wanted else self.asked
        return self.asked <= now

    def must_end(self) -> bool:
        """Whether losses that are still missing have to be left out, as someone waits for the end."""
        return self.stops() and time.monotonic() > self.asked + LAST_SECONDS

    def tick(self, step: Step) -> bool:
        """Write a step, from time to time with weights and samples; whether someone asked for a stop."""
        from ..training import is_round

        now = time.monotonic()
        self.points.append(step)
        self.keep(step)
        fixed = step.step in self.film_steps or is_round(step.step)
        if now < self.next_write and (self.sparing or fixed or self.pauses.said):
            return False  # these come thick at first: each in a transaction of its own would slow training down
        due = step.train_loss is not None and now >= self.next_save
        saved = self.weights(step.step, step.losses) if due else None
        samples = None
        if now >= self.next_samples and not self.stops():
            samples = step.step, self.samples()
            self.next_samples = now + SAVE_SECONDS if self.ticks >= 3 else 0.0
        self.ticks += 1
        try:
            stop = self.write(Progress(points=self.points, samples=samples, saved=saved, checkpoints=self.film))
        except StoreUnavailable as problem:  # training goes on, and what it gave is written when there is room
            self.wait(problem)
            return False
        self.pauses.over()
        self.points, self.film, self.next_write = [], [], now + 0.9 * self.tick_seconds
        if saved:
            self.next_save = now + max(SAVE_SECONDS, (time.monotonic() - now) / SAVE_SHARE)
        return stop

    def wait(self, problem: StoreUnavailable) -> None:
        """Keep what could not be written, within bounds, and leave the store alone for a while."""
        self.next_write = time.monotonic() + self.pauses.failed(str(problem))
        if len(self.points) > MAX_POINTS:
            kept = thinned([point.step for point in self.points], MAX_POINTS // 2)
            self.points = [point for point in self.points if point.step in kept]

    def keep(self, step: Step) -> None:
        """Remember the weights of a step of the film; what a continued run starts with is in the store already."""
        fresh = step.step == 0 or step.updates is not None
        if fresh and step.step in self.film_steps and self.state.model.flat.isfinite().all():
            weights = weights_of(self.state.model)
            self.film.append(Checkpoint(step=step.step, weights=weights, updates=step.updates or {}))

    def last(self, problem: Exception | None = None) -> Progress:
        """What is left to write at the end: the newest step with exact losses, the weights and samples of it."""
        from ..evaluation import evaluate_splits
        from ..training import TrainingDiverged

        if self.newest is None or (problem and not isinstance(problem, TrainingDiverged)):
            return Progress()
        known = {} if problem else self.newest.losses
        losses = evaluate_splits(self.state.model, self.dataset, test=True, known=known, stop=self.must_end)
        kept = self.newest.losses | losses
        # The weights kept by a run that diverged are those before the update that spoiled them.
        step = max(0, problem.step - 1) if isinstance(problem, TrainingDiverged) else self.newest.step
        train, val, unseen = (kept.get(name) for name in SHOWN)
        ended = replace(self.newest, step=step, train_loss=train, val_loss=val, val_loss_unseen=unseen)
        points = [*(point for point in self.points if point.step < step), ended]
        saved = self.weights(step, losses)
        samples = None if self.must_end() else (step, self.samples())
        return Progress(points=points, samples=samples, saved=saved, checkpoints=self.film)

    def weights(self, step: int, losses: Mapping[str, float]) -> SavedWeights | None:
        """Weights, training state and losses as they are now; None if the weights are not finite numbers."""
        from safetensors.torch import save

        from ..export.artifact import Artifact

        if not self.state.model.flat.isfinite().all():
            return None
        shown, dataset = without_sealed(losses), self.dataset
        artifact = Artifact(self.state.model, dataset.vocab, self.config, shown, step, dataset.cleaning)
        return SavedWeights(weights=artifact.to_bytes(), train_state=save(self.state.tensors()), losses=losses)

    def samples(self) -> list[str]:
        """Some words from the model as it is, always with the same sample seed."""
        from ..sample import drawn_words

        return drawn_words(self.state.model, self.dataset.vocab, SAMPLES, SAMPLE_SEED)


@contextlib.contextmanager
def _lease_kept(store: RunStore, run_id: str, token: str) -> Iterator[None]:
    """Renew the lease from a thread too: a large corpus or model may take longer than it between two steps."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(LEASE_SECONDS / 4):
            try:
                store.record(run_id, token)
            except StaleToken:
                return
            except Exception:  # the training thread meets the same problem and reports it
                log.debug("lease of run %s not renewed", run_id, exc_info=True, extra={"run": run_id})

    thread = threading.Thread(target=renew, name=f"lease {run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _stale_is_fine(run_id: str) -> Iterator[None]:
    try:
        yield
    except StaleToken:
        log.warning("run %s is not this worker's any more: it has ended, or another trains it", run_id)


def _sentence(problem: Exception) -> str:
    from ..training import TrainingDiverged

    if isinstance(problem, (ValueError, TrainingDiverged, StoreUnavailable)):
        return str(problem)
    log.error("training failed", exc_info=problem)
    return f"{type(problem).__name__}: {problem}"
