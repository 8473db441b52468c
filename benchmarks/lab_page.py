"""How fast the lab page trains, in Chromium: ``python -m benchmarks.lab_page [FILE]``.

The page of a run of the preset *Quick* on the lecture's names, or on the words of FILE, is opened from a file without a
network, and trains from scratch with the settings that it opens with, once for each of five seeds: seconds until its
validation loss is below the bigram counts', seconds until it is below the goal, and where it ends. The seconds are the
page's own. Needs requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from mmcore import BUNDLED_NAMES, RunConfig, RunStore
from mmcore.export import FORMATS
from mmcore.jobs import run_inline
from mmcore.presets import PRESETS
from mmcore.reading import read_corpus
from mmcore.take_home import take_home
from tests.browser.app_server import launch, watched_page

RESULTS = Path(__file__).parent / "results" / "lab_page.json"
SEEDS = (1, 2, 3, 4, 5)
GOAL = 2.20  # nats per character, on the lecture's names

TRAIN = """async (seed) => {
  const { config, start, batch } = lab.settings.train;
  const told = [];
  await lab.trainHere({ config, steps: start.steps, rate: start.rate, batch, seed },
    ({ step, loss, seconds }) => told.push([step, loss, seconds]));
  return { told, bigram: lab.settings.train.bigram };
}"""


def page_of(folder: Path, words: Path) -> Path:
    """The lab page of a run that has just been trained."""
    store = RunStore(f"sqlite:///{folder / 'store.sqlite'}")
    preset = PRESETS["quick"]
    config = RunConfig(corpus_sha256=store.add_corpus(read_corpus(words)), model=preset.model, train=preset.train)
    run = run_inline(store, store.create(config).id)
    file = folder / "lab.html"
    file.write_bytes(FORMATS["lab"].write(take_home(store, run.id)))
    store.close()
    return file


def measure(browser: Browser, file: Path) -> dict[str, Any]:
    """How long until it is opened, and what each seed reaches when."""
    with watched_page(browser, file.parent.as_uri()) as page:
        page.context.set_offline(True)
        began = time.perf_counter()
        page.goto(file.as_uri())
        page.locator("html[data-ready]").wait_for()
        opened = time.perf_counter() - began
        seeds = [_reached(page.evaluate(TRAIN, seed)) for seed in SEEDS]
    return {"kilobytes": file.stat().st_size / 1000, "opened": opened, "seeds": seeds, "load": os.getloadavg()[0]}


def _reached(run: dict[str, Any]) -> dict[str, Any]:
    told = run["told"]

    def first(bar: float) -> float | None:
        return next((seconds for _, loss, seconds in told if loss < bar), None)

    steps, loss, seconds = told[-1]
    found = {"bigram": first(run["bigram"]), "goal": first(GOAL)}
    return found | {"steps": steps, "loss": loss, "seconds": seconds}


def main() -> None:
    """Measure, print, keep."""
    words = Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLED_NAMES
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        found = measure(browser, page_of(Path(folder), words))
        browser.close()
    for part in ("bigram", "goal", "seconds", "loss"):
        values = [seed[part] for seed in found["seeds"]]
        middle = statistics.median(values) if None not in values else None
        print(part, "median", middle, "of", values)
    print({name: value for name, value in found.items() if name != "seeds"})
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(kept | {words.stem: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
