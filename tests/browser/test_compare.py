"""In Chromium: select runs by ticking them, compare them, delete two, undo; curves that keep their zoom and move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mmcore import Run, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.store import Progress
from mmcore.training import Step
from tests.browser.actions import nav
from tests.browser.app_server import AppServer, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect

ROW, HEADER = 35, 35  # pixels of the table, which is a canvas
CURVES = "() => document.querySelector('.live-plot')?.data?.map((curve) => curve.x.length) ?? []"
ZOOM = "() => document.querySelector('.live-plot').layout.xaxis.range"


@pytest.fixture(scope="module")
def runs(server: AppServer) -> list[Run]:
    """Four short finished runs, newest first."""
    model = model_config(embedding_dim=2, hidden_sizes=(8,))
    return [server.trained(model, TrainConfig(max_steps=20, seed=seed)) for seed in (1, 2, 3, 4)][::-1]


def tick(page: Page, row: int) -> None:
    page.get_by_test_id("stDataFrame").first.click(position={"x": 17, "y": HEADER + ROW * row + ROW // 2})
    wait_until_idle(page)


def test_three_runs_are_selected_compared_and_two_deleted_and_back(
    page: Page, server: AppServer, store: RunStore, runs: list[Run]
) -> None:
    page.goto(f"{server.url}/runs")
    wait_until_idle(page)
    for row in (0, 2, 3):
        tick(page, row)
    expect(page.get_by_text("3 selected")).to_be_visible()
    chosen = [runs[0].id, runs[2].id, runs[3].id]
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url(f"**/compare?runs={'%2C'.join(chosen)}")
    page.wait_for_function(f"({CURVES})().length === 3")
    expect(page.get_by_text("These 3 runs differ in 1 of ")).to_be_visible()

    nav(page, "Runs")
    expect(page.get_by_text("3 selected")).to_be_visible()
    tick(page, 0)
    expect(page.get_by_text("2 selected")).to_be_visible()
    wait_until_idle(page)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted 2 runs.")).to_be_visible()
    assert {run.id for run in store.summaries()} == {runs[0].id, runs[1].id}
    nav(page, "Compare")
    expect(page.get_by_text("2 runs cannot be read")).to_be_visible()
    nav(page, "Runs")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Deleted 2 runs.")).to_be_hidden()
    assert [run.id for run in store.summaries()] == [run.id for run in runs]


def test_curves_of_a_run_in_training_move_and_keep_their_zoom(
    page: Page, server: AppServer, store: RunStore, runs: list[Run]
) -> None:
    working = store.create(runs[0].config, name="works", token="tests")
    record = [Step(step=step, learning_rate=0.1, seconds=step / 10, val_loss=3.0 - step / 100) for step in range(4)]
    store.record(working.id, "tests", Progress(points=record[:2]), lease=600)
    page.goto(f"{server.url}/compare?runs={working.id[:7]},{runs[0].id}")
    page.wait_for_function(f"({CURVES})()[0] === 2")
    page.evaluate("() => window.Plotly.relayout(document.querySelector('.live-plot'), {'xaxis.range': [1, 5]})")
    store.record(working.id, "tests", Progress(points=record[2:]), lease=600)
    page.wait_for_function(f"({CURVES})()[0] === 4")
    assert page.evaluate(ZOOM) == [1, 5]
    store.request_stop(working.id)
    store.finish(working.id, "tests", working.state.STOPPED)
    wait_until_idle(page)
