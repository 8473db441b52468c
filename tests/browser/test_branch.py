"""Branching in a browser: a run trained on from a checkpoint, and the links between it and the run it comes from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mmcore import RunStore, TrainConfig
from mmcore.architectures import model_config
from tests.browser.actions import badge
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect


def test_a_run_is_branched_from_a_checkpoint_and_both_lead_to_each_other(
    page: Page, server: AppServer, store: RunStore
) -> None:
    parent = server.trained(model_config(embedding_dim=2, hidden_sizes=(8,)), TrainConfig(max_steps=100))
    store.rename(parent.id, "The parent")
    page.goto(f"{server.url}/train?run={parent.id}")
    page.get_by_text("Branch from a checkpoint").click()
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text("No setting is changed.")).to_be_visible()
    before, *_ = store.kept_steps(parent.id)[-2:]
    main.get_by_role("slider", name="Checkpoint (step)").press("ArrowLeft")
    expect(main.get_by_text(re.compile(f"^Step {before}[:;]"))).to_be_visible()
    form = main.get_by_test_id("stExpander").filter(has_text="A new run that begins with")
    rate = form.get_by_label("Learning rate", exact=True)
    rate.fill("0.005")
    rate.press("Tab")
    expect(main.get_by_text("Changed: learning rate 0.02 → 0.005.")).to_be_visible()
    form.get_by_role("button", name="Train the branch").click()
    expect(page).not_to_have_url(re.compile(parent.id))
    badge(page, "Finished")
    branch = store.latest()
    assert branch and branch.config.origin == store.origin(parent.id, before)
    assert branch.config.train == parent.config.train.replace(learning_rate=0.005)

    main.get_by_role("link", name="The parent").click()
    expect(main.get_by_role("heading", name="The parent", exact=True)).to_be_visible()
    main.get_by_role("link", name=branch.name).click()
    expect(main.get_by_role("heading", name=branch.name, exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(branch.id))
    expect(main.get_by_text(f"step {before} →")).to_be_visible()
    wait_until_idle(page)
