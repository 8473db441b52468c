"""What a visitor waits for, in Chromium: ``python -m benchmarks.latency``.

From a key press on a Playground slider to the redrawn loss curve and embedding map, at the default time budget; and
what a page that watches a run costs its training, against the same run from the command line. Needs
requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from mmcore import BUNDLED_NAMES, PRESETS, Run, RunConfig, RunState, RunStore, read_words
from tests.browser.app_server import ROOT, AppServer, launch, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RESULTS = Path(__file__).parent / "results" / "latency.json"
CHANGES, PAIRS = 20, 5
TRAIN = PRESETS["quick"].train.replace(max_steps=150_000, batch_size=64)  # half a minute
SEEN = """() => JSON.stringify([
    document.querySelector('.live-plot')?.data?.map(trace => trace.y),
    document.querySelector('.st-key-play_map .js-plotly-plot')?.data?.map(trace => trace.x)])"""
BOTH_CHANGED = f"""before => {{
    const [curve, map] = JSON.parse(before), [newCurve, newMap] = JSON.parse(({SEEN})());
    return newCurve && newMap && JSON.stringify(curve) !== JSON.stringify(newCurve)
        && JSON.stringify(map) !== JSON.stringify(newMap); }}"""


def playground_seconds(browser: Browser, server: AppServer) -> list[float]:
    """Seconds from each of 20 slider moves to both charts redrawn."""
    times = []
    with watched_page(browser, server.url, viewport={"width": 1440, "height": 1000}) as page:
        page.goto(f"{server.url}/playground")
        page.wait_for_function(f"() => ({SEEN})().length > 200", timeout=60_000)
        slider = page.get_by_role("slider", name="Hidden units")
        for change in range(CHANGES + 2):
            wait_until_idle(page)
            before = page.evaluate(SEEN)
            began = time.perf_counter()
            slider.press("ArrowLeft" if change % 2 else "ArrowRight")
            page.wait_for_function(BOTH_CHANGED, arg=before, polling=20)
            times.append(time.perf_counter() - began)
    return times[2:]  # the first two pay for imports and caches


def command_line_seconds(store: RunStore) -> float:
    """Training seconds of the run from the command line, with nothing else at work."""
    settings = ["--max-steps", str(TRAIN.max_steps), "--batch-size", str(TRAIN.batch_size)]
    command = [sys.executable, "-m", "mmcore", "train", "--preset", "quick", *settings]
    there = {"cwd": ROOT, "env": os.environ | {"MMCORE_STORE": store.url}}
    subprocess.run(command, check=True, capture_output=True, **there)
    return newest(store).seconds


def watched_seconds(browser: Browser, server: AppServer, store: RunStore, sha256: str) -> float:
    """Training seconds of the same run on the server's worker, while a page draws it from its first step on."""
    with watched_page(browser, server.url) as page:
        page.goto(f"{server.url}/train")
        wait_until_idle(page)
        run = store.create(RunConfig(corpus_sha256=sha256, train=TRAIN))
        page.goto(f"{server.url}/train?run={run.id}")
        while store.run(run.id).state is not RunState.FINISHED:
            page.wait_for_timeout(500)
    return store.run(run.id).seconds


def newest(store: RunStore) -> Run:
    """The latest run, which has to have finished."""
    run = store.latest()
    assert run is not None and run.state is RunState.FINISHED, run
    return run


def main() -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, browser = AppServer(Path(folder)), launch(playwright)
        server.start()
        store = RunStore(server.store_url)
        sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
        times = playground_seconds(browser, server)
        pairs = []
        for _ in range(PAIRS):
            alone = command_line_seconds(store)
            pairs.append((alone, watched_seconds(browser, server, store, sha256)))
        store.close()
        browser.close()
        server.stop()
    out = {
        "playground_seconds": times,
        "playground_median": statistics.median(times),
        "command_line_and_watched_seconds": pairs,
        "watching_costs": statistics.median(watched / alone for alone, watched in pairs) - 1,
        "load": os.getloadavg(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
