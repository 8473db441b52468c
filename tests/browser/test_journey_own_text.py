"""From a pasted list to files at home: one run, with the same figures on every page, in its script and on its page."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore
from tests.browser.actions import badge, download, fill, nav
from tests.browser.app_server import AppServer, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

STARTS = ["Ald", "Bex", "Carn", "Dun", "Elm", "Fos", "Gris", "Hol", "Kel", "Lan", "Mor", "Nor", "Ox", "Pen", "Rud"]
ENDS = ["bury", "dale", "ford", "ham", "ley", "mouth", "stead", "wick"]
TOWNS = [start + middle + end for start in STARTS for middle in ("", "en", "er", "ing", "s") for end in ENDS]
NAME = "Towns of *nowhere*"


def metric(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True)).first


def test_an_own_list_becomes_a_run_that_is_the_same_wherever_it_is_seen(
    page: Page, browser: Browser, server: AppServer, store: RunStore, tmp_path: Path
) -> None:
    main = page.get_by_test_id("stMain")
    page.goto(f"{server.url}/data")
    wait_until_idle(page)
    main.get_by_text("Add a corpus").click()
    fill(page, "Name", NAME)
    fill(page, "Or paste a text", "\n".join(TOWNS))
    expect(main.get_by_text("Preview.")).to_be_visible()
    main.get_by_role("button", name="Add corpus").click()
    expect(page).to_have_url(re.compile("corpus=[0-9a-f]{64}"))
    chosen = f"{NAME} · {len(TOWNS)} words"
    expect(main.get_by_role("combobox", name="Corpus", exact=True)).to_have_value(chosen)

    nav(page, "Playground")
    expect(main.get_by_text(f"Corpus: {NAME}, {len(TOWNS)} words")).to_be_visible()
    main.get_by_role("button", name="Keep as run").click()
    main.get_by_role("link", name="Open this run").click()
    expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
    kept = store.latest()
    assert kept is not None and kept.corpus_name == NAME
    expect(page).to_have_url(re.compile(f"run={kept.id}"))

    main.get_by_role("button", name="Train longer").click()
    page.get_by_role("button", name="Go on", exact=True).click()
    badge(page, "Finished")
    expect(main.get_by_text(f"{2 * kept.max_steps:,} steps", exact=False).first).to_be_visible()
    run = store.run(kept.id)
    assert run.step == 2 * kept.step
    train, val = (f"{run.losses[name]:.4f}" for name in ("train_loss", "val_loss"))
    expect(metric(page, "Validation loss")).to_contain_text(val)

    nav(page, "Splits")
    for label, loss in (("Train loss", train), ("Validation loss", val)):
        expect(metric(page, label)).to_contain_text(loss)

    nav(page, "Network")
    expect(main.get_by_text(f"Validation loss {val}")).to_be_visible()
    for number in range(2, 9):
        main.get_by_role("button", name="Next", exact=True).click()
        expect(main.get_by_text(f"Step {number} of 8")).to_be_visible()
    expect(main.get_by_text(re.compile("^Loss = −ln"))).to_be_visible()

    nav(page, "Generate")
    expect(main.get_by_text(f"Validation loss {val}")).to_be_visible()
    expect(main.get_by_text(re.compile(r"^\d+ of 20 are new"))).to_be_visible()

    nav(page, "Run")
    main.get_by_role("button", name="Take home").click()
    with zipfile.ZipFile(download(page, "everything", tmp_path)) as archive:
        archive.extractall(tmp_path)
    assert f"run {run.id}" in (tmp_path / "README.txt").read_text()
    found = subprocess.run([sys.executable, "-I", "makemore.py"], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    said = re.search(r"^train ([\d.]+), dev ([\d.]+)", found.stdout, re.MULTILINE)
    assert said is not None, found.stdout
    assert [float(loss) for loss in said.groups()] == pytest.approx([float(train), float(val)], abs=0.005)

    with watched_page(browser, f"file://{tmp_path}") as at_home:
        at_home.context.set_offline(True)
        at_home.goto((tmp_path / "lab.html").as_uri())
        expect(at_home.get_by_role("heading", level=1)).to_have_text(f"Makemore Lab: {run.name}")
        about = at_home.locator("#about")
        for figure in (run.id, f"{train} nats per symbol", f"{val} nats per symbol", NAME, run.config.corpus_sha256):
            expect(about).to_contain_text(figure)
        at_home.get_by_label("Prefix").fill("mor")
        expect(at_home.locator("#words li").first).to_contain_text("mor")
