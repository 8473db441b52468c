"""In Chromium: one button on Start; train from the form, watch, leave, return, stop; take the weights home; tidy up."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from mmcore import BUNDLED_NAMES, RunConfig, RunStore, TrainConfig, read_words
from mmcore.presets import PRESETS, preset_for
from tests.browser.actions import POINTS, badge, choose, download, fill, nav, plain_val_loss, wait_for_more_points
from tests.browser.app_server import VIEWPORT, AppServer, wait_until_idle, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def start_long_run(page: Page, server: AppServer) -> None:
    page.goto(f"{server.url}/train")
    wait_until_idle(page)
    fill(page, "Steps", 5_000_000)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")


def test_newcomer_sees_names_get_better(page: Page, server: AppServer) -> None:
    """And hears of the last step at the end (A17)."""
    page.goto(server.url)
    page.get_by_role("button", name="Train a model").click()
    badge(page, "Finished")
    wait_until_idle(page)
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text("Step 0 (untrained)")).to_be_visible()
    expect(main.get_by_role("paragraph").filter(has_text=re.compile("^Step 5,000$"))).to_be_visible()
    page.wait_for_function(f"({POINTS})() > 2")
    at_once = 8_000  # and not when it is next allowed to speak, which is 10 s after it last did
    expect(page.locator(".live-summary")).to_contain_text("At step 5,000:", timeout=at_once)


def test_run_survives_refresh_page_switch_and_second_tab(page: Page, server: AppServer) -> None:
    start_long_run(page, server)
    wait_for_more_points(page)
    expect(page.get_by_test_id("stProgress")).to_contain_text(re.compile(r"Running, step [\d,]+ of 5,000,000"))
    address = page.url

    page.reload()
    assert page.url == address
    wait_for_more_points(page)
    expect(page.get_by_label("Steps", exact=True)).to_have_value("5000000")

    nav(page, "Runs")
    nav(page, "Run")
    assert page.url == address
    wait_for_more_points(page)

    second = page.context.new_page()
    second.goto(address)
    wait_for_more_points(second)
    second.get_by_role("button", name="Stop", exact=True).click()
    badge(second, "Stopped")
    badge(page, "Stopped")

    newest = "document.querySelector('.live-plot')?.data?.[0]?.x.at(-1) ?? 0"  # none while it is drawn anew
    stopped_at = page.wait_for_function(newest).json_value()
    page.get_by_role("button", name="Continue").click()
    badge(page, "Running")
    page.wait_for_function(f"({newest}) > {stopped_at}")
    page.get_by_role("button", name="Stop", exact=True).click()
    badge(page, "Stopped")


def test_chart_keeps_its_element_and_its_zoom_while_it_grows(page: Page, server: AppServer) -> None:
    start_long_run(page, server)
    wait_for_more_points(page)
    page.evaluate(
        """() => { const plot = document.querySelector('.live-plot'); plot.mark = true;
                   return window.Plotly.relayout(plot, {'yaxis.range': [2, 2.5]}); }"""
    )
    wait_for_more_points(page)
    kept = page.evaluate(
        "() => { const p = document.querySelector('.live-plot'); return [p.mark, p.layout.yaxis.range]; }"
    )
    assert kept == [True, [2, 2.5]]
    page.get_by_role("button", name="Stop", exact=True).click()
    badge(page, "Stopped")


def test_d5_what_is_typed_before_a_preset_arrives_stays(browser: Browser, server: AppServer, store: RunStore) -> None:
    """Choose an architecture and type at once: the typed field is kept, every other one is the preset's."""
    held: list[str | bytes] = []
    gate: dict[str, Any] = {"open": True}

    def connect(socket: Any) -> None:
        gate["browser"] = socket
        upstream = socket.connect_to_server()
        upstream.on_message(lambda message: socket.send(message) if gate["open"] else held.append(message))

    with watched_page(browser, server.url, viewport=VIEWPORT) as page:  # whose socket is ours
        page.route_web_socket("**/_stcore/stream", connect)
        page.goto(f"{server.url}/train")
        wait_until_idle(page)
        gate["open"] = False
        choose_gru_and_type(page)
        while held:  # and whatever comes while they are sent, in its order
            gate["browser"].send(held.pop(0))
        gate["open"] = True
        train_what_was_typed(page, store)


def test_d5_what_is_typed_while_the_server_is_busy_stays(page: Page, server: AppServer, store: RunStore) -> None:
    """As above, when the server reads the choice and what was typed at one time."""
    page.goto(f"{server.url}/train")
    wait_until_idle(page)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        choose_gru_and_type(page)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    train_what_was_typed(page, store)


def choose_gru_and_type(page: Page) -> None:
    page.get_by_label("Architecture", exact=True).click()
    page.get_by_role("option", name="GRU", exact=True).click()
    steps = page.get_by_label("Steps", exact=True)
    steps.fill("77")
    steps.press("Tab")
    expect(steps).to_have_value("77")


def train_what_was_typed(page: Page, store: RunStore) -> None:
    preset = PRESETS[preset_for("gru")]
    expect(page.get_by_label("Batch size", exact=True)).to_have_value(str(preset.train.batch_size))
    expect(page.get_by_label("Context size", exact=True)).to_have_value(str(preset.model.context_size))
    wait_until_idle(page)
    expect(page.get_by_label("Steps", exact=True)).to_have_value("77")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")
    run = store.run(page.url.rpartition("=")[2])
    assert (run.config.model, run.config.train) == (preset.model, preset.train.replace(max_steps=77))
    badge(page, "Finished")


def test_downloads_hold_what_the_screen_says(page: Page, server: AppServer, tmp_path: Path) -> None:
    page.goto(f"{server.url}/train")
    wait_until_idle(page)
    choose(page, "Preset", PRESETS["quick"].title)  # other tests may have left other settings
    expect(page.get_by_label("Steps", exact=True)).to_have_value(str(PRESETS["quick"].train.max_steps))
    wait_until_idle(page)
    fill(page, "Steps", 300)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")
    expect(page.get_by_text("300 of 300 steps")).to_be_visible()  # of this run, not the one before
    badge(page, "Finished")
    row = page.get_by_role("row").filter(has=page.get_by_text("Validation", exact=True))
    shown = float(row.get_by_role("cell").nth(1).inner_text())

    page.get_by_role("button", name="Take home").click()
    config = RunConfig.from_dict(json.loads(download(page, "settings", tmp_path).read_text()))
    assert config.train.max_steps == 300
    weights = load_file(download(page, "weights", tmp_path))
    assert plain_val_loss(weights, config) == pytest.approx(shown, abs=5e-5)
    state_dict = torch.load(download(page, "state_dict", tmp_path), weights_only=True)
    assert all(torch.equal(state_dict[name], tensor) for name, tensor in weights.items())
    curve = pd.read_csv(download(page, "curve", tmp_path))
    assert curve["step"].iloc[-1] == 300
    assert curve["val_loss"].iloc[-1] == pytest.approx(shown, abs=5e-5)

    page.get_by_text("Load the weights in plain torch").click()
    expect(page.get_by_test_id("stCode")).to_contain_text("safe_open")


def test_a_run_is_chosen_renamed_and_deleted(page: Page, server: AppServer, store: RunStore) -> None:
    sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
    config = RunConfig(corpus_sha256=sha256, train=TrainConfig(max_steps=20))
    older, newer = store.create(config), store.create(config)
    page.goto(f"{server.url}/runs?run={newer.id}")
    badge(page, "Finished")
    wait_until_idle(page)
    # The table is a canvas: the box that selects the second row, below a header and a row of 35 px each.
    page.get_by_test_id("stDataFrame").click(position={"x": 17, "y": 35 + 35 + 17})
    page.wait_for_url(f"**/runs?run={older.id}")
    badge(page, "Finished")
    wait_until_idle(page)
    fill(page, "Name", "To be removed")
    expect(page.get_by_role("heading", name="To be removed")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="To be removed")).to_be_hidden()
    assert older.id not in [run.id for run in store.runs()]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="To be removed")).to_be_visible()
