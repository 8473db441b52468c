"""A large vocabulary: pages show its most frequent symbols, say so, and stay within bounded memory."""

from __future__ import annotations

import shutil
import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Corpus, Run, RunConfig, RunStore, TrainConfig, corpus_from_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, numbers
from ui import session
from ui.kit import symbols

LETTERS = [c for c in map(chr, range(0x3400, 0x20000)) if c.isalpha() and unicodedata.normalize("NFC", c) == c]


def large(size: int) -> Corpus:
    """Words of three characters, no two the same but the first hundred, which occur three times as often."""
    words = ["".join(LETTERS[i : i + 3]) for i in range(0, size, 3)]
    return corpus_from_words([*words, *words[:33], *words[:33]], f"{size} characters")


def peak(act: Callable[[], AppTest]) -> tuple[AppTest, float]:
    """What an action gives, and the most memory in MB that it held at once."""
    tracemalloc.start()
    try:
        app = act()
        return app, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def points(app: AppTest) -> int:
    """The most values that a chart of the page has along one axis."""
    charts = [figure(app, index)["data"] for index in range(len(app.get("plotly_chart")))]
    return max((len(numbers(trace["x"])) for traces in charts for trace in traces if "x" in trace), default=0)


@pytest.mark.parametrize("size", [20_000, 50_000])
def test_c3_data_shows_the_most_frequent_of_many_characters(store: RunStore, open_page: Open, size: int) -> None:
    """Counts as a table of contexts and characters took 6.5 GB of the server."""
    corpus = large(size)
    sha256 = store.add_corpus(corpus)
    app, megabytes = peak(lambda: open_page("data", corpus=sha256))
    assert not app.exception
    assert megabytes < 100
    vocabulary = app.dataframe[0].value
    assert len(vocabulary) == 1_000 and vocabulary["id"].is_monotonic_increasing
    assert vocabulary["count"].sum() == len(corpus.words) + 3 * 99 + 900
    total = sum(corpus.report.characters.values()) + len(corpus.words)
    assert vocabulary["share"].tolist() == pytest.approx((vocabulary["count"] / total).tolist())
    left_out = len(corpus.report.characters) - 999
    assert f"the 999 most frequent characters; {left_out:,} rarer ones are not" in texts(app)
    assert points(app) <= 61


@pytest.fixture(scope="session")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one short run on 6,000 characters, to be copied."""
    path = tmp_path_factory.mktemp("large") / "store.sqlite"
    store = RunStore(f"sqlite:///{path}")
    sha256 = store.add_corpus(large(6_000))
    model = model_config(embedding_dim=3, hidden_sizes=(4,))
    train = TrainConfig(max_steps=2, batch_size=16)
    for seed in (1, 2):
        run_inline(store, store.create(RunConfig(corpus_sha256=sha256, model=model, train=train.replace(seed=seed))).id)
    store.close()
    return path


@pytest.fixture
def run(large_file: Path, tmp_path: Path, store: RunStore) -> Run:
    """That run in the app's store."""
    shutil.copyfile(large_file, tmp_path / "store.sqlite")
    newest = store.latest()
    assert newest is not None
    return newest


PAGES = ("train", "splits", "embeddings", "neurons", "under_the_hood", "generate", "runs")
SECTIONS = {"splits": ("anatomy",), "generate": ("audit",)}
MOST_MB = 80  # a table of characters and characters takes 144 in single precision


def bounded(app: AppTest, megabytes: float, most: int = symbols.MOST) -> None:
    assert not app.exception
    assert megabytes < MOST_MB
    assert points(app) <= most
    for box in app.selectbox:
        assert len(box.options) <= symbols.MOST


@pytest.mark.parametrize("page", PAGES)
def test_c3_no_page_draws_or_holds_a_table_of_many_characters(run: Run, open_page: Open, page: str) -> None:
    bounded(*peak(lambda: open_page(page, run=run.id)))


@pytest.mark.parametrize(("page", "section"), [(page, name) for page in SECTIONS for name in SECTIONS[page]])
def test_c3_nor_does_a_section_that_is_opened(run: Run, open_page: Open, page: str, section: str) -> None:
    app = open_page(page, run=run.id)
    before = len(app.get("plotly_chart"))
    app.session_state["audit_n"] = 20  # words
    app.session_state[section] = True
    bounded(*peak(app.run))
    assert len(app.get("plotly_chart")) > before


def test_c3_nor_does_a_view_under_the_hood(run: Run, open_page: Open) -> None:
    app = open_page("under_the_hood", run=run.id)
    for view in app.segmented_control(key="hood_view").options:
        bounded(*peak(lambda view=view: app.segmented_control(key="hood_view").set_value(view).run()), most=400)


def test_c3_what_is_left_out_is_said(run: Run, open_page: Open) -> None:
    app = open_page("embeddings", run=run.id)
    assert "the 255 most frequent characters; 5,745 rarer ones are not" in texts(app)
    chosen = field(app, "selectbox", "Character").value
    neighbours = app.dataframe[0].value
    vocab = session.vocab(run.config.corpus_sha256)
    assert len(neighbours) == 255
    assert neighbours["character"].tolist() == [symbols.symbol_title(vocab.symbols[i]) for i in neighbours["id"]]
    assert f"The vector with a 1 at id {vocab.stoi[chosen]}".lower() in texts(app).lower()
    generate = open_page("generate", run=run.id)
    titles = [figure(generate, i)["layout"]["title"]["text"] for i in range(len(generate.get("plotly_chart")))]
    assert "Probability of the next character (first 256 of 6,001)" in titles
