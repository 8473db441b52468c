"""What a visitor with many runs waits for, in Chromium: ``python -m benchmarks.compare [DATABASE] [RUNS ...]``.

From a click to what it asked for, 20 times each, in one tab: Runs by the navigation; the next 50 runs of the list;
Lessons, whose goals are about all runs; and Compare with 20 runs' curves drawn. Stores have 2,000 and 10,000 finished
runs unless told otherwise, as those of :mod:`benchmarks.many_runs`. Needs requirements-dev.txt and Chromium;
``postgresql``, Debian's package as well.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.databases import PostgreSQL
from benchmarks.many_runs import fill
from benchmarks.report import RESULTS
from mmcore import RunStore
from tests.browser.app_server import AppServer, launch, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPEATS, CURVES = 20, 20
LISTED = """() => document.querySelector('[data-testid=stDataFrame] canvas') !== null
    && document.body.innerText.includes('Runs 1 to 50 of ')"""
AIMED = "() => document.querySelector('[class*=st-key-goals_] .main-svg') !== null"
DRAWN = f"() => document.querySelectorAll('.live-plot .scatterlayer .trace').length === {CURVES}"


def seconds(page: Page, begin: Callable[[], None], arrived: str, leave: Callable[[], None]) -> list[float]:
    """From a click to a condition in the page, polled every 20 ms; the first two pay for imports and caches."""
    times = []
    for _ in range(REPEATS + 2):
        leave()
        wait_until_idle(page)
        began = time.perf_counter()
        begin()
        page.wait_for_function(arrived, polling=20, timeout=60_000)
        times.append(time.perf_counter() - began)
        wait_until_idle(page)
    return times[2:]


def measure(browser: Browser, server: AppServer) -> dict[str, list[float]]:
    """Seconds of each wait."""
    with closing(RunStore(server.store_url)) as store:
        ids, count = [run.id for run in store.summaries(limit=CURVES)], store.count()
    with watched_page(browser, server.url, viewport={"width": 1440, "height": 1000}) as page:

        def go(title: str) -> Callable[[], None]:
            return page.get_by_test_id("stSidebarNavLink").filter(has_text=title).click

        page.goto(f"{server.url}/compare?runs={','.join(ids)}")
        page.wait_for_function(DRAWN, timeout=60_000)
        found = {"compare": seconds(page, go("Compare"), DRAWN, go("Data"))}
        found["lessons"] = seconds(page, go("Lessons"), AIMED, go("Data"))
        found["runs"] = seconds(page, go("Runs"), LISTED, go("Data"))
        go("Runs")()
        wait_until_idle(page)
        found["next 50"] = pages(page, count)
    return found


def pages(page: Page, count: int) -> list[float]:
    """From a click on the next part of the list to its caption and the end of the script, which has drawn its rows.

    At its end back again.
    """
    times, part, way = [], 1, 1
    for _ in range(REPEATS + 2):
        way = 1 if part == 1 else -1 if part == count // 50 else way
        part += way
        began = time.perf_counter()
        page.get_by_role("button", name="Next" if way > 0 else "Previous").click()
        page.get_by_text(f"Runs {50 * (part - 1) + 1:,} to {50 * part:,} of {count:,}.").wait_for()
        wait_until_idle(page)
        times.append(time.perf_counter() - began)
    return times[2:]


def main() -> None:
    """Measure, print, keep."""
    database, *counts = sys.argv[1:] if sys.argv[1:2] == ["postgresql"] else ("sqlite", *sys.argv[1:])
    found: dict[str, dict[str, list[float]]] = {}
    for count in [int(argument) for argument in counts] or [2_000, 10_000]:
        other = closing(PostgreSQL()) if database == "postgresql" else nullcontext()
        with other as cluster, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            server, browser = AppServer(Path(folder), cluster.direct if cluster else None), launch(playwright)
            fill(server.store_url, count)
            server.start()
            found[str(count)] = measure(browser, server)
            browser.close()
            server.stop()
            for what, times in found[str(count)].items():
                middle, slowest = statistics.median(times), max(times)
                print(f"{database} {count:>6} runs  {what:8} median {middle:.2f}  slowest {slowest:.2f}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / "compare.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    measured = {"load": os.getloadavg()[0], "seconds": found}
    kept.write_text(json.dumps(known | {database: measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
