"""One run through the whole app: the validation loss is the same to the digit at every stop."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import load_file

from mmcore import RunStore, TrainConfig
from mmcore.architectures import model_config
from tests.browser.actions import badge, choose, click_letter, download, fill, nav, plain_val_loss
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def test_one_run_from_the_form_to_plain_torch(page: Page, server: AppServer, store: RunStore, tmp_path: Path) -> None:
    page.goto(f"{server.url}/train")
    wait_until_idle(page)
    fill(page, "Context size", 4)
    fill(page, "Steps", 2_000)
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url("**/train?run=*")
    badge(page, "Finished")
    run = store.latest()
    assert run is not None
    loss = f"{run.losses['val_loss']:.4f}"
    expect(page.get_by_text(loss).first).to_be_visible()
    page.get_by_role("button", name="Take home").click()
    download(page, "weights", tmp_path).rename(tmp_path / "model.safetensors")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    nav(page, "Splits")
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text("Validation loss", exact=True)).first
    expect(metric.get_by_test_id("stMetricValue")).to_have_text(loss)

    nav(page, "Embeddings")
    expect(page.get_by_text(f"Validation loss {loss}")).to_be_visible()
    click_letter(page, "q")

    nav(page, "Generate")
    expect(page.get_by_text(f"Validation loss {loss}")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ % new|new", re.IGNORECASE)).first).to_be_visible()

    tensors = load_file(tmp_path / "model.safetensors")
    assert sorted(tensors) == ["C", "W1", "W2", "b1", "b2"]
    assert f"{plain_val_loss(tensors, run.config):.4f}" == loss
    assert store.run(run.id).losses["val_loss"] == run.losses["val_loss"]


def test_a_lab_report_says_what_the_run_was_for_and_what_it_is_compared_with(
    page: Page, server: AppServer, tmp_path: Path
) -> None:
    other = server.trained(model_config(hidden_sizes=(5,)), TrainConfig(max_steps=20))
    run = server.trained(model_config(hidden_sizes=(10,)), TrainConfig(max_steps=20))
    page.goto(f"{server.url}/train?run={run.id}")
    page.get_by_role("button", name="Take home").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Lab report with your question").click()
    dialog.get_by_label("Question", exact=True).fill("Are 10 units enough?")
    dialog.get_by_label("Question", exact=True).press("Tab")
    choose(page, "Compared with", re.compile(other.id))
    with zipfile.ZipFile(download(page, "asked_report", tmp_path)) as archive:
        report, text = json.loads(archive.read("report.json")), archive.read("report.md").decode()
    assert (report["question"], report["against"]["id"]) == ("Are 10 units enough?", other.id)
    assert report["against"]["differences"] == [{"setting": "Hidden units", "this": "10", "other": "5"}]
    assert "Are 10 units enough?" in text and report["losses"]["val_loss"]["loss"] == pytest.approx(
        run.losses["val_loss"], abs=1e-6
    )
