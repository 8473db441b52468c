"""What a server makes ready beside its first page: the next page builds nothing of it anew."""

from __future__ import annotations

import threading

import pytest

from mmcore import Run, SplitConfig
from mmcore.presets import PRESETS
from mmcore.store import RunStore
from tests.app.conftest import Open
from ui import counting, session, warm_up


def nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything fail that a page would build for itself."""

    def built(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr("ui.session.build_dataset", built)
    monkeypatch.setattr("ui.counting.KneserNey", built)
    monkeypatch.setattr("ui.counting.count_baselines", built)


def forget() -> None:
    for kept in (session.dataset, counting.baselines, counting.fitted, counting.kneser_ney, counting.table):
        kept.clear()
    warm_up._within.clear()


def make_ready(store: RunStore) -> None:
    for piece in warm_up.pieces(store.latest()):
        piece()


@pytest.mark.parametrize("page", ["train", "splits"])
def test_a_page_finds_what_it_needs(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    forget()
    make_ready(store)
    nothing_more(monkeypatch)
    assert not open_page(page, run=finished.id).exception


def test_without_a_run_it_is_what_a_first_one_needs(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget()
    make_ready(store)
    nothing_more(monkeypatch)
    assert len(session.dataset(session.bundled_sha256(), SplitConfig(), PRESETS["quick"].model.context_size).train)
    assert not open_page("playground").exception


def test_nothing_is_made_ready_while_a_visitor_waits_for_a_page(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = threading.Event()
    monkeypatch.setattr(warm_up, "pieces", lambda _: [made.set])
    monkeypatch.setattr(warm_up, "SETTLED", 0)
    monkeypatch.setattr(warm_up, "LONGEST_PAGE", 60)
    warm_up.page_drawn()
    warm_up.page_begun()
    making = threading.Thread(target=warm_up._begin)
    making.start()
    assert not made.wait(0.2)
    warm_up.page_drawn()
    assert made.wait(30)
    making.join()
