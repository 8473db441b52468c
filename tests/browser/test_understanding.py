"""Journeys of someone who wants to understand: find a rate, heal a diverged run, finish a lesson, try an experiment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore, TrainConfig
from mmcore.architectures import model_config
from tests.browser.actions import badge
from tests.browser.app_server import AppServer, wait_until_idle
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

SMALL = model_config(hidden_sizes=(20,))


def test_run_the_finder_take_its_rate_and_train(page: Page, server: AppServer, store: RunStore) -> None:
    from playwright.sync_api import expect

    run = server.trained(SMALL, TrainConfig(max_steps=50))
    page.goto(f"{server.url}/train?run={run.id}")
    page.get_by_text("Find a learning rate", exact=True).click()
    page.get_by_role("button", name="Range test").click()
    use = page.get_by_role("button", name=re.compile(r"Use [\d.]+"))
    expect(use).to_be_visible()
    rate = use.inner_text().split()[-1]
    use.click()
    field = page.get_by_label("Learning rate", exact=True)
    expect(field).to_have_value(rate)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page).not_to_have_url(re.compile(run.id))
    badge(page, "Finished")
    latest = store.latest()
    assert latest is not None and latest.id != run.id
    assert latest.config.train.learning_rate == pytest.approx(float(rate))


def test_a_diverged_run_is_healed_by_the_doctors_button(page: Page, server: AppServer, store: RunStore) -> None:
    from playwright.sync_api import expect

    hot = TrainConfig(optimizer="sgd", schedule="constant", learning_rate=3.0, weight_decay=1.0, max_steps=300)
    run = server.trained(SMALL, hot)
    assert run.error
    page.goto(f"{server.url}/train?run={run.id}")
    expect(page.get_by_text("The run diverged").first).to_be_visible()
    wait_until_idle(page)
    page.get_by_role("button", name=re.compile("learning rate 0.1")).first.click()
    expect(page.get_by_label("Learning rate", exact=True)).to_have_value("0.1")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page).not_to_have_url(re.compile(run.id))
    badge(page, "Finished")
    expect(page.get_by_text("The run diverged")).to_have_count(0)
    latest = store.latest()
    assert latest is not None and latest.losses["val_loss"] < 3


def test_begin_an_experiment_and_stop_it(page: Page, server: AppServer, store: RunStore) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/lessons")
    wait_until_idle(page)
    page.get_by_role("radio", name="Context", exact=True).click()
    wait_until_idle(page)
    page.get_by_role("button", name="Train the 24 runs").click()
    expect(page.get_by_text(re.compile(r"^[1-9]\d* of 24 have finished"))).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile(r"of 24 have finished, \d+ stopped\."))).to_be_visible()
    until(lambda: all(run.ended for run in store.runs()), "its runs have ended")
    page.get_by_role("link", name="Open the sweep").click()
    expect(page.get_by_role("heading", name="Context", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_be_enabled()
