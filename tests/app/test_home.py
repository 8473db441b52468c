"""The page Start, and every page on an empty store, with a run, and with nonsense in the address."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmcore import PRESETS, Run, RunState, RunStore
from tests.app.conftest import PAGES, ROOT, Open, texts
from ui import pages


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_an_empty_store(open_page: Open, name: str) -> None:
    app = open_page(name)
    assert not app.exception
    assert app.title


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_a_finished_run(finished: Run, open_page: Open, name: str) -> None:
    app = open_page(name, run=finished.id)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("name", ["home", "train", "runs"])
def test_nonsense_in_the_address_gets_a_sentence(finished: Run, open_page: Open, name: str) -> None:
    app = open_page(name, run="../../etc/passwd", corpus="0" * 64)
    assert not app.exception
    assert "does not have" in app.warning[0].value
    assert app.query_params.get("run") is None


def test_one_button_trains_the_quick_preset(store: RunStore, open_page: Open) -> None:
    app = open_page("home")
    assert [button.label for button in app.button] == ["Train a model"]
    app.button(key="train_quick").click().run()
    run = store.latest()
    assert run is not None and run.state is RunState.QUEUED
    assert (run.config.model, run.config.train) == (PRESETS["quick"].model, PRESETS["quick"].train)
    assert app.query_params["run"] == run.id
    assert app.progress[0].text == "Queued, place 1"


def test_a_returning_visitor_sees_the_latest_run(finished: Run, open_page: Open) -> None:
    app = open_page("home")
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Validation loss"] == f"{finished.losses['val_loss']:.4f}"
    assert not [label for label in metrics if "est" in label]  # the test split is sealed


def test_the_samples_of_a_watched_run_have_their_steps(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("home")
    app.session_state["watched_run"] = finished.id
    app.run()
    said = texts(app)
    assert "Step 0 (untrained)" in said and "Step 30" in said


def test_links_lead_to_every_other_page(open_page: Open) -> None:
    links = {link.proto.page.rsplit("/")[-1].removesuffix(".py") for link in open_page("home").get("page_link")}
    assert {*PAGES} - {"home"} <= links


def test_each_file_of_a_page_is_one_that_the_navigation_offers() -> None:
    assert sorted(path.stem for path in (ROOT / "app_pages").glob("*.py")) == sorted(PAGES)


@pytest.mark.parametrize("page", [page for page in pages.PAGES if page is not pages.HOME], ids=lambda page: page.name)
def test_a_page_is_called_the_same_wherever_it_is_named(open_page: Open, page: pages.Page) -> None:
    (link,) = [link.proto for link in open_page("home").get("page_link") if link.proto.page == page.name]
    assert (link.label, link.icon) == (f"**{page.title}** {page.question}", page.icon)
    assert open_page(page.name).title[0].value == page.title


def test_no_other_file_names_the_script_of_a_page() -> None:
    sources = [path for folder in ("ui", "app_pages") for path in (ROOT / folder).rglob("*.py")]
    naming = [path.name for path in (*sources, ROOT / "streamlit_app.py") if "app_pages/" in path.read_text("utf-8")]
    assert naming == ["pages.py"]


def test_the_first_page_does_not_wait_for_torch() -> None:
    rooms = "ui.session, ui.visitor, ui.run.buttons, ui.run.heading, ui.run.progress, ui.run.results"
    code = f"import sys, {rooms}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
