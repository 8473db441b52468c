"""What the app withstands: ``python -m benchmarks.drill [PART …]``, with the parts as named in :data:`PARTS`.

Processes are paused and killed, the machine is kept busy, the disk is filled; each part raises ``AssertionError`` where
a run does not go on as it should. About ten minutes on two cores. Needs requirements-dev.txt, Chromium, and for a full
disk the right to mount a tmpfs (else that part is left out, and recorded as such). Run it on a machine without other
work: what is measured besides is seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcore import BUNDLED_NAMES, Run, RunConfig, RunState, RunStore, TrainConfig, load, read_words
from mmcore.architectures import model_config
from mmcore.jobs import WORKERS, run_inline
from tests.browser.app_server import ROOT, AppServer, launch, watched_page
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from torch import Tensor

RESULTS = Path(__file__).parent / "results" / "drill.json"
ENDLESS = 100_000_000
DISK = "8m"
BUSY = [sys.executable, "-c", "while True: pass"]
Figures = dict[str, Any]


def pid_of(run: Run) -> int:
    """The worker's."""
    return int((run.worker or "").rsplit(":", 2)[1])


class Lab:
    """The app with a store of its own, and runs in it."""

    def __init__(self, folder: Path, store_url: str | None = None) -> None:
        self.server = AppServer(folder, store_url)
        self.store = RunStore(self.server.store_url)
        self.sha256 = self.store.add_corpus(read_words(BUNDLED_NAMES))

    def __enter__(self) -> Lab:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.store.close()

    def config(self, max_steps: int) -> RunConfig:
        """A small model that trains a few thousand steps a second."""
        model = model_config(embedding_dim=4, hidden_sizes=(20,))
        return RunConfig(corpus_sha256=self.sha256, model=model, train=TrainConfig(max_steps=max_steps))

    def create(self, max_steps: int) -> str:
        """A new run, queued."""
        return self.store.create(self.config(max_steps)).id

    def weights(self, run_id: str) -> Tensor:
        """The saved ones, in one flat tensor."""
        return load(self.store.weights(run_id) or b"").model.flat

    def is_in(self, state: RunState, *run_ids: str) -> bool:
        """Whether runs are in a state; ``AssertionError`` once one has failed."""
        states = [self.store.run(run_id).state for run_id in run_ids]
        assert RunState.FAILED not in states
        return set(states) == {state}


# ---- paused


WHO = ("server and workers", "workers", "server")


def pauses(
    folder: Path, seconds: Sequence[float] = (7, 30), who: Sequence[str] = WHO, steps: int = 5_000
) -> list[Figures]:
    """SIGSTOP of the server with its workers, of the workers, and of the server, with two runs at work."""
    found = []
    with Lab(folder) as lab:
        for pause in seconds:
            for paused in who:
                found.append({"seconds": pause, "paused": paused} | _paused(lab, pause, paused, steps))
    lab.server.check_log()
    return found


def _paused(lab: Lab, seconds: float, who: str, steps: int) -> Figures:
    runs = [lab.create(steps) for _ in range(2)]
    until(lambda: all(lab.store.run(run_id).step > 0 for run_id in runs), "two runs at work")
    workers, server = [pid_of(lab.store.run(run_id)) for run_id in runs], lab.server.process.pid
    stopped = {"server": [server], "workers": workers, "server and workers": [server, *workers]}[who]
    before = [lab.store.run(run_id).step for run_id in runs]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            assert lab.store.expire_leases() == []  # as whoever looks meanwhile from the command line
            time.sleep(0.1)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    states: set[RunState] = set()

    def finished() -> bool:
        states.update(lab.store.run(run_id).state for run_id in runs)
        return lab.is_in(RunState.FINISHED, *runs)

    after = until(finished, f"two runs finished after a pause of {seconds} s of the {who}")
    assert states <= {RunState.RUNNING, RunState.FINISHED}, states
    return {"steps_before": before, "finished": len(runs), "seconds_after": after}


# ---- busy


def busy(folder: Path, loops: int = 4, trainings: int = 3, steps: int = 300) -> Figures:
    """Trainings from the command line, all at once, beside busy loops."""
    store = RunStore(f"sqlite:///{folder / 'store.sqlite'}")
    command = [sys.executable, "-m", "mmcore", "train", "--preset", "quick", "--max-steps", str(steps)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    there: dict[str, Any] = {"cwd": ROOT, "env": os.environ | {"MMCORE_STORE": store.url}}
    others = [subprocess.Popen(BUSY) for _ in range(loops)]
    began = time.monotonic()
    try:
        started = [subprocess.Popen(command, **pipes, **there) for _ in range(trainings)]
        said = [process.communicate(timeout=2 * PATIENCE)[0] for process in started]
    finally:
        for process in others:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0] * trainings, said
    assert [run.state for run in store.runs()] == [RunState.FINISHED] * trainings, store.runs()
    store.close()
    return {"loops": loops, "finished": trainings, "seconds": time.monotonic() - began}


# ---- without room


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A tmpfs of 8 MB; None where mounting is not allowed."""
    disk = folder / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "drill"]
    if sys.platform != "linux" or subprocess.run(["mount", *options, disk], capture_output=True).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(path: Path) -> None:
    """Leave no byte on a disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as rest:
        while rest.write(bytes(4096)):
            pass


def full_disk(folder: Path, browser: Browser | None = None, seconds: float = 12) -> Figures | None:
    """A run a core at work and one that waits; the disk is full, a worker dies; then there is room again."""
    with small_disk(folder) as disk:
        if disk is None:
            return None
        with Lab(folder, f"sqlite:///{disk / 'store.sqlite'}") as lab:
            return _full(lab, disk, browser, seconds)


def _full(lab: Lab, disk: Path, browser: Browser | None, seconds: float) -> Figures:
    store, log = lab.store, lab.server.log
    running = [lab.create(ENDLESS) for _ in range(WORKERS)]
    until(lambda: all(store.run(run_id).weights_step for run_id in running), "as many at work as there are workers")
    waiting, lives, dies = lab.create(ENDLESS), running[0], running[-1]
    lines = len(log.read_text().splitlines())
    fill(disk / "rest")
    until(lambda: "disk is full" in log.read_text(), "a sentence in the log")
    before = store.run(lives).step
    os.kill(pid_of(store.run(dies)), signal.SIGKILL)
    over = time.monotonic() + seconds
    reads = 0
    while time.monotonic() < over:
        assert store.run(lives).step >= before and len(store.history(lives)) and store.weights(lives)
        reads += 1
        time.sleep(0.1)
    listed = subprocess.run(
        [sys.executable, "-m", "mmcore", "runs", "list", "--json"],
        cwd=ROOT,
        env=os.environ | {"MMCORE_STORE": store.url},
        capture_output=True,
        text=True,
    )
    assert listed.returncode == 0 and lives in listed.stdout, listed
    seen = on_screen(browser, f"{lab.server.url}/train?run={lives}") if browser else None
    said = [line.replace(str(disk), "") for line in log.read_text().splitlines()[lines:]]
    (disk / "rest").unlink()
    step = store.run(lives).step
    again = until(lambda: store.run(lives).step > step, "the run goes on")
    store_gap = float(store.history(lives).seconds.diff().max())
    until(lambda: store.run(waiting).state is RunState.RUNNING, "the run that waited begins")
    assert lab.is_in(RunState.INTERRUPTED, dies)
    others = [*running[:-1], waiting]
    for run_id in others:
        store.request_stop(run_id)
    until(lambda: lab.is_in(RunState.STOPPED, *others), "a stop")
    lab.server.check_log()
    assert max(Counter(said).values()) <= WORKERS and len(set(said)) <= 4, said  # a process says it once
    return {
        "seconds": seconds,
        "reads": reads,
        "log": said,
        "on_screen": seen,
        "seconds_until_saved_again": again,
        "longest_gap_in_curve": store_gap,
    }


def on_screen(browser: Browser, address: str) -> list[str]:
    """What a page warns of."""
    origin = address.rsplit("/", 1)[0]
    with watched_page(browser, origin) as page:
        page.goto(address)
        page.get_by_test_id("stAlert").filter(has_text="The disk that holds the store is full").first.wait_for()
        return page.get_by_test_id("stAlert").all_inner_texts()


# ---- killed


def killed(folder: Path, workers: int = 30, servers: int = 10, steps: int = 2_000) -> Figures:
    """SIGKILL of a worker, and of the server, at any step; each run is continued and ends as one never killed."""
    moments, interrupted = random.Random(1), 0
    with Lab(folder) as lab:
        reference = run_inline(lab.store, lab.store.create(lab.config(steps), token="drill").id, token="drill").id
        for number in range(workers + servers):
            run_id, step = lab.create(steps), moments.uniform(1, 0.8 * steps)
            until(lambda r=run_id, s=step: lab.store.run(r).step >= s, "a step to kill at")  # type: ignore[misc]
            (_kill_worker if number < workers else _kill_server)(lab, run_id)
            interrupted += ended_as(lab, run_id, reference)
            print(f"kill {number + 1}: {interrupted} interrupted", file=sys.stderr)
    lab.server.check_log()
    return {"workers": workers, "servers": servers, "interrupted": interrupted}


def _kill_worker(lab: Lab, run_id: str) -> None:
    os.kill(pid_of(lab.store.run(run_id)), signal.SIGKILL)


def _kill_server(lab: Lab, run_id: str) -> None:
    lab.server.process.kill()
    lab.server.process.wait()
    until(lambda: lab.store.run(run_id).state is not RunState.RUNNING, "its worker leaves")
    lab.server.start()


def ended_as(lab: Lab, run_id: str, reference: str) -> bool:
    """Check what a killed run has kept, continue it, and compare it with one never killed; whether it was cut short."""
    until(lambda: lab.store.run(run_id).state is not RunState.RUNNING, "a run whose worker was killed is noticed")
    run, points = lab.store.run(run_id), len(lab.store.history(run_id))
    assert points, run
    interrupted = run.state is RunState.INTERRUPTED
    if interrupted:  # else it was quicker than the kill
        lab.store.continue_run(run_id)
    until(lambda: lab.is_in(RunState.FINISHED, run_id), "a continued run ends")
    assert lab.weights(run_id).equal(lab.weights(reference)), run
    assert lab.store.run(run_id).losses == lab.store.run(reference).losses
    return interrupted


PARTS: dict[str, Callable[[Path], Any]] = {
    "pauses": pauses,
    "busy": busy,
    "full_disk": lambda folder: with_browser(lambda browser: full_disk(folder, browser)),
    "killed": killed,
}


def with_browser(part: Callable[[Browser], Figures | None]) -> Figures | None:
    """Chromium for one part: elsewhere it would only take time from what is measured."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            return part(browser)
        finally:
            browser.close()


def main() -> None:
    """Go through the parts, print and keep what they found."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in sys.argv[1:] or PARTS:
        began, load_before = time.monotonic(), os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            figures = PARTS[name](Path(folder))
        found[name] = {"figures": figures, "took": time.monotonic() - began, "load": load_before}
        print(name, json.dumps(found[name], indent=1), flush=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
