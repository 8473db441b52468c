"""In Chromium: a sweep is defined, fills its results while one watches, and its address opens it for anyone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmcore import Run, RunConfig, RunState, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.store import LIVE, RunFilter, SweepState
from mmcore.sweeps import Axis, Sweep
from tests.browser.actions import badge, choose, fill
from tests.browser.app_server import VIEWPORT, AppServer, wait_until_idle, watched_page
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TINY = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))


def test_a_sweep_of_two_by_two_from_its_definition_to_its_address_in_a_fresh_browser(
    page: Page, server: AppServer, store: RunStore, browser: Browser
) -> None:
    from playwright.sync_api import expect

    run = server.trained(TINY, TrainConfig(max_steps=200, batch_size=32))
    page.goto(f"{server.url}/train?run={run.id}")  # whose settings are in the form there from now on
    wait_until_idle(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Sweep").click()
    wait_until_idle(page)
    fill(page, "Context size (characters)", "1, 2")
    fill(page, "Embedding dimension (numbers)", "0")
    expect(page.get_by_text("embedding_dim must be a whole number from 1 to 1,024, got 0")).to_be_visible()
    expect(page.get_by_role("button", name="Start the sweep")).to_be_disabled()
    fill(page, "Embedding dimension (numbers)", "2, 3")
    fill(page, "Seeds", "1 to 2")
    expect(page.get_by_text("4 settings × 2 seeds = 8 runs")).to_be_visible()
    expect(page.get_by_text(re.compile("^1 of them is there already"))).to_be_visible()
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url("**/sweep?sweep=*")
    expect(page.get_by_text("8 of 8 runs done")).to_be_visible()
    badge(page, "Finished")
    stored = store.sweep(page.url.rpartition("=")[2])
    runs = store.runs(RunFilter(sweep=stored.id))
    assert stored.state is SweepState.FINISHED and run.id in [one.id for one in runs]
    assert [one.state for one in runs] == [RunState.FINISHED] * 8 and len({one.config for one in runs}) == 8

    address = page.url
    with watched_page(browser, server.url, viewport=VIEWPORT) as other:  # a visitor who has not been here
        other.goto(address)
        expect(other.get_by_role("heading", name=stored.name)).to_be_visible()
        expect(other.get_by_text("8 of 8 runs done")).to_be_visible()
        other.get_by_role("button", name="Add runs").click()
        fill(other, "More seeds", "3")
        other.get_by_role("button", name="Add 4 runs").click()
        expect(other.get_by_text("12 of 12 runs done")).to_be_visible()
    expect(page.get_by_text("8 of 8 runs done")).to_be_visible()
    page.reload()
    expect(page.get_by_text("12 of 12 runs done")).to_be_visible()


def test_a_journey_from_a_question_to_an_answer_that_anyone_can_open(
    page: Page, server: AppServer, store: RunStore, browser: Browser
) -> None:
    from playwright.sync_api import expect

    page.goto(f"{server.url}/sweep")
    wait_until_idle(page)
    fill(page, "Context size (characters)", "1, 2")
    fill(page, "Embedding dimension (numbers)", "2, 16")
    fill(page, "Seeds", "1 to 3")
    fill(page, "Question", "Does a longer context pay?")
    expect(page.get_by_text("4 settings × 3 seeds = 12 runs")).to_be_visible()
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url("**/sweep?sweep=*")
    address, sweep_id = page.url, page.url.rpartition("=")[2]

    expect(page.get_by_text(re.compile(r"^[1-9]\d* of 12 runs done"))).to_be_visible()
    page.locator(".live-figure .main-svg").first.wait_for()  # results, while it goes on
    page.get_by_role("button", name="Stop", exact=True).click()
    badge(page, "Stopped")
    of_sweep = RunFilter(sweep=sweep_id)
    until(lambda: not store.count(RunFilter(sweep=sweep_id, states=LIVE)), "all its runs have stopped")
    done = [run.id for run in store.runs(of_sweep) if run.state is RunState.FINISHED]
    assert 0 < len(done) < 12
    page.get_by_role("button", name="Go on", exact=True).click()
    expect(page.get_by_text("12 of 12 runs done")).to_be_visible()
    badge(page, "Finished")
    runs = store.runs(of_sweep)
    assert [run.state for run in runs] == [RunState.FINISHED] * 12 and len({run.config for run in runs}) == 12
    assert set(done) < {run.id for run in runs}, "what was done before the stop was not trained again"

    losses: dict[str, dict[int, float]] = {}
    for run in runs:
        losses.setdefault(said(run), {})[run.config.train.seed] = run.losses["val_loss"]
    a, b = "Context size 1, embedding dimension 2", "Context size 2, embedding dimension 2"
    choose(page, "A", a)
    choose(page, "B", b)
    difference = sum(losses[a][seed] - losses[b][seed] for seed in (1, 2, 3)) / 3
    expect(page.get_by_text("B is better than A.")).to_be_visible()
    expect(page.get_by_text(f"Its validation loss is lower by {difference:.4f} nats per character")).to_be_visible()

    winner = min(losses, key=lambda setting: sum(losses[setting].values()))
    expect(page.get_by_text(winner, exact=True).last).to_be_visible()
    page.get_by_role("button", name="Open its test split").click()
    page.get_by_role("dialog").get_by_role("button", name="Open it").click()
    expect(page.get_by_text("Its test split was opened once")).to_be_visible()
    tests = [run.losses["test_loss"] for run in store.runs(of_sweep) if run.test_openings]
    test_loss = page.get_by_test_id("stMetric").filter(has_text="Test loss")
    expect(test_loss).to_contain_text(f"{sum(tests) / 3:.4f} ± ")
    assert len(tests) == 3

    with watched_page(browser, server.url, viewport=VIEWPORT) as other:  # whoever gets the link
        other.goto(address)
        expect(other.get_by_role("heading", name=store.sweep(sweep_id).name)).to_be_visible()
        for text in ("Does a longer context pay?", "12 of 12 runs done", "Its test split was opened once"):
            expect(other.get_by_text(text)).to_be_visible()
        expect(other.get_by_text(winner, exact=True).last).to_be_visible()
        expect(other.get_by_test_id("stMetric").filter(has_text="Test loss")).to_contain_text("Sealed")


def said(run: Run) -> str:
    """A run's setting, as a sweep over context size and embedding dimension says it."""
    return f"Context size {run.config.model.context_size}, embedding dimension {run.config.model.embedding_dim}"


def test_results_fill_in_place_keep_their_zoom_and_show_a_cells_runs_at_a_click(
    page: Page, server: AppServer, store: RunStore
) -> None:
    from playwright.sync_api import expect

    sha256 = server.trained(TINY, TrainConfig(max_steps=20)).config.corpus_sha256
    base = RunConfig(corpus_sha256=sha256, model=TINY, train=TrainConfig(max_steps=400, batch_size=32))
    varied = (Axis(name="context_size", values=(1, 2)), Axis(name="embedding_dim", values=(2, 4)))
    stored = store.create_sweep(Sweep(base=base, axes=varied, seeds=(1, 2, 3, 4)), name="Watched")
    page.goto(f"{server.url}/sweep?sweep={stored.id}")
    page.locator(".live-figure .main-svg").first.wait_for()
    page.evaluate(
        """() => { const plot = document.querySelector('.live-figure'); plot.mark = true;
                   return window.Plotly.relayout(plot, {'xaxis.range': [-0.5, 0.5]}); }"""
    )
    expect(page.get_by_text("16 of 16 runs done")).to_be_visible()
    page.wait_for_function(
        "() => document.querySelector('.live-figure').layout.annotations.every(({ text }) => text.includes('±'))"
    )
    kept = page.evaluate(
        "() => { const p = document.querySelector('.live-figure'); return [p.mark, p.layout.xaxis.range]; }"
    )
    assert kept == [True, [-0.5, 0.5]]
    badge(page, "Finished")
    wait_until_idle(page)
    plot = page.locator(".live-figure .nsewdrag").first
    box = plot.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)  # of what is zoomed in on: one column
    expect(page.get_by_role("link", name=re.compile("^Seed 4: "))).to_be_visible()


def test_a_sweep_is_deleted_after_a_question_and_its_runs_stay(page: Page, server: AppServer, store: RunStore) -> None:
    from playwright.sync_api import expect

    stored, runs = store.sweeps()[0], store.count()
    page.goto(f"{server.url}/sweep?sweep={stored.id}")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("button", name="Start the sweep")).to_be_visible()
    assert stored.id not in [sweep.id for sweep in store.sweeps()] and store.count() == runs
