"""How long a visitor waits for a page about a finished run, in Chromium: ``python -m benchmarks.opening [REPEATS]``.

From a click on the navigation, and from a reload, to the last chart of the page drawn; the same for other views,
examples, steps and opened parts; and for the first visit to each page, one after the other, of a server just started.
Times are taken in the page itself. Needs requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from mmcore import BUNDLED_NAMES, RunConfig, RunStore, read_words
from mmcore.jobs import run_inline
from mmcore.presets import PRESETS
from tests.browser.app_server import VIEWPORT, AppServer, launch, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RESULTS = Path(__file__).parent / "results" / "opening.json"
REPEATS = 20
STARTS = 5  # of the server, for first visits
PAGES = {
    "lessons": "Lessons",
    "train": "Run",
    "splits": "Splits",
    "embeddings": "Embeddings",
    "under_the_hood": "Network",
    "neurons": "Neurons",
    "generate": "Generate",
    "runs": "Runs",
}
VIEWS = (
    "Backward",
    "Gradient check",
    "Update",
    "First loss",
    "While it learned",
    "What if",
    "Stable softmax",
    "Forward",
)
PARTS = {  # what a page holds folded, and how it begins
    "splits": ("Count models", "Where the loss comes from"),
    "generate": ("Sample audit",),
    "runs": ("Ask the doctor",),
    "neurons": ("While it learned",),
    "train": ("Find a learning rate",),
}
# Says when a page that shows something new has everything drawn. (A short script run may end before a frame shows it.)
WATCH = """() => {
    const state = () => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState;
    // What the server has said; not the boxes one types into, which change before it does.
    const said = () => [...document.querySelectorAll(
        'h1, [data-testid=stMarkdown], .js-plotly-plot, input[role=combobox], [data-testid=stDataFrame]')
    ].map(one => one.value ?? one.textContent).join();
    const all = (selector, test) => [...document.querySelectorAll(selector)].every(test);
    window.drawn = title => state() === 'notRunning' && document.querySelector('h1')?.innerText.trim() === title
        && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]')
        && all('[data-testid=stPlotlyChart]', chart => chart.querySelector('.main-svg'))
        && all('.live-plot, .film-map', chart => chart.querySelector('.main-svg'));
    window.whenDrawn = title => new Promise(resolve => {
        const look = () => window.drawn(title) ? resolve(performance.now()) : requestAnimationFrame(look);
        look();
    });
    window.arm = () => { window.before = said(); window.began = performance.now(); };
    window.until = title => new Promise((resolve, reject) => {
        const look = () => {
            const passed = performance.now() - window.began;
            if (said() !== window.before && window.drawn(title)) resolve(passed);
            else if (passed > 60000) reject(new Error(`${title} was never drawn`));
            else requestAnimationFrame(look);
        };
        look();
    });
}"""
CLICKED = """async ([selector, text, title]) => {
    const found = [...document.querySelectorAll(selector)].find(one => one.innerText.includes(text));
    window.arm();
    found.click();
    return await window.until(title);
}"""
NAVIGATION, VIEW, BUTTON, PART = (
    "[data-testid=stSidebarNavLink]",
    ".st-key-hood_view button",
    "[data-testid=stButton] button",
    "[data-testid=stExpander] summary",
)


def ready(page: Page, title: str) -> float:
    """Wait until a page that is being loaded is drawn; seconds from the beginning, as the browser counts them.

    It looks itself, at every frame: what asks it from outside learns up to half a second late.
    """
    page.evaluate(WATCH)
    return float(page.evaluate("title => window.whenDrawn(title)", title)) / 1000


def click(page: Page, selector: str, text: str, title: str) -> float:
    """Seconds from a click to the page drawn."""
    return float(page.evaluate(CLICKED, [selector, text, title])) / 1000


def reload_seconds(page: Page, title: str) -> float:
    """Seconds from a reload to the page drawn."""
    page.reload(wait_until="commit")
    return ready(page, title)


def type_word(page: Page, word: str, title: str) -> float:
    """Seconds from Enter behind another word to its trace drawn."""
    box = page.get_by_role("textbox", name="Word", exact=True)
    box.fill(word)
    page.evaluate("window.arm()")
    box.press("Enter")
    return float(page.evaluate("title => window.until(title)", title)) / 1000


def first_visits(browser: Browser, server: AppServer, starts: int) -> dict[str, list[float]]:
    """The first visit to each page in servers just started, whose first page is Data."""
    found: dict[str, list[float]] = {name: [] for name in PAGES}
    for _ in range(starts):
        server.start()
        with watched_page(browser, server.url, viewport=VIEWPORT) as page:
            page.goto(f"{server.url}/data")
            ready(page, "Data")
            for name, title in PAGES.items():
                found[name].append(click(page, NAVIGATION, title, title))
        server.stop()
    return found


def measure(page: Page, url: str, run_id: str, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Every wait, in the order taken: the first of each pays for what the server then keeps."""
    found: dict[str, dict[str, list[float]]] = {"switch": {}, "reload": {}, "part": {}, "view": {}, "example": {}}

    def note(kind: str, name: str, seconds: Callable[[], float]) -> None:
        found[kind].setdefault(name, []).append(seconds())

    page.goto(f"{url}/data")
    ready(page, "Data")
    for _ in range(repeats):
        for name, title in PAGES.items():
            note("switch", name, lambda title=title: click(page, NAVIGATION, title, title))  # type: ignore[misc]
    hood = PAGES["under_the_hood"]
    click(page, NAVIGATION, hood, hood)
    for _ in range(repeats):
        for view in VIEWS:
            note("view", view, lambda view=view: click(page, VIEW, view, hood))  # type: ignore[misc]
    for i in range(repeats):
        note("example", "next step", lambda i=i: click(page, BUTTON, "Previous" if i % 2 else "Next", hood))  # type: ignore[misc]
        note("example", "other word", lambda i=i: type_word(page, ("olivia", "ava")[i % 2], hood))  # type: ignore[misc]
    for name, parts in PARTS.items():
        for part in parts:
            for _ in range(repeats):  # a page that was left forgets what was open
                click(page, NAVIGATION, "Data", "Data")
                click(page, NAVIGATION, PAGES[name], PAGES[name])
                note("part", part, lambda part=part, name=name: click(page, PART, part, PAGES[name]))  # type: ignore[misc]
    for name, title in PAGES.items():
        page.goto(f"{url}/{name}?run={run_id}")
        ready(page, title)
        for _ in range(repeats):
            note("reload", name, lambda title=title: reload_seconds(page, title))  # type: ignore[misc]
    return found


def main() -> None:
    """Measure, print, keep."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, browser = AppServer(Path(folder)), launch(playwright)
        server.start()
        store = RunStore(server.store_url)
        sha256, quick = store.add_corpus(read_words(BUNDLED_NAMES)), PRESETS["quick"]
        run = run_inline(store, store.create(RunConfig(corpus_sha256=sha256, model=quick.model, train=quick.train)).id)
        store.close()
        began = os.getloadavg()[0]
        with watched_page(browser, server.url, viewport=VIEWPORT) as page:
            page.set_default_timeout(120_000)
            found = measure(page, server.url, run.id, repeats)
        server.stop()
        found["first"] = first_visits(browser, server, STARTS)
        browser.close()
    out = {"repeats": repeats, "load": [began, os.getloadavg()[0]], "seconds": found}
    RESULTS.write_text(json.dumps(out, indent=1) + "\n")
    for kind, waits in found.items():
        for name, times in waits.items():
            print(f"{kind:8} {name:28} first {times[0]:.2f}  median {statistics.median(times):.2f}")
    print(f"load {began:.1f} to {out['load'][1]:.1f}")  # type: ignore[index]


if __name__ == "__main__":
    main()
