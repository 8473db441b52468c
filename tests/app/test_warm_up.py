"""What a server makes ready beside its first page: the next page builds nothing of it anew."""

from __future__ import annotations

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
    warm_up.ready.clear()


@pytest.mark.parametrize("page", ["train", "splits"])
def test_a_page_finds_what_it_needs(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    forget()
    warm_up.make_ready(store.latest())
    nothing_more(monkeypatch)
    assert not open_page(page, run=finished.id).exception


def test_without_a_run_it_is_what_a_first_one_needs(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget()
    warm_up.make_ready(store.latest())
    nothing_more(monkeypatch)
    assert len(session.dataset(session.bundled_sha256(), SplitConfig(), PRESETS["quick"].model.context_size).train)
    assert not open_page("playground").exception
