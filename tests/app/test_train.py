"""The page Train: the form, what it refuses, what a run shows."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from mmcore import (
    BUNDLED_NAMES,
    PRESETS,
    Run,
    RunConfig,
    RunState,
    RunStore,
    SplitConfig,
    Step,
    TrainConfig,
    corpus_from_words,
    cost,
    load,
    read_words,
)
from mmcore.architectures import model_config
from mmcore.dataset import build_dataset, split_words
from mmcore.export import FORMATS
from mmcore.ngram import KneserNey
from mmcore.store import Progress, SavedWeights
from tests.app.conftest import Open, texts
from tests.app.elements import HELP
from ui.form import settings
from ui.run import curves, downloads, progress
from ui.run.changes import changes
from ui.run.references import references
from ui.train import one_thing

FIELDS = settings.values_of(model_config(), TrainConfig(), SplitConfig())
GIVEN = {"fixed": ()}  # no field: the form keeps what files fixed, or lets it go


def field(app: AppTest, name: str) -> Any:
    """The widget of a field, whatever its kind."""
    return app.get_by_key(f"form_{name}")


def train(app: AppTest) -> None:
    app.button(key="train").click().run()
    assert not app.exception


def test_every_field_has_help_and_every_setting_a_field(open_page: Open) -> None:
    app = open_page("train")
    assert all(field(app, name).proto.help for name in ("preset", "architecture"))
    for name in FIELDS.keys() - GIVEN - {"architecture"}:
        assert field(app, name).proto.help == HELP[name]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_the_form_and_is_what_trains(open_page: Open, store: RunStore, name: str) -> None:
    app = open_page("train")
    field(app, "preset").select(name).run()
    train(app)
    run = store.latest()
    assert run is not None
    assert (run.config.model, run.config.train) == (PRESETS[name].model, PRESETS[name].train)


def other_corpus(store: RunStore) -> Run:
    """A stopped run on a right-to-left corpus of its own, in a store that holds the bundled names too."""
    words = ["שלום", "נועה", "דוד", "מים", "רות", "יעל", "תמר", "אורי", "גיל", "חן", "לאה", "שרה"]
    sha256 = store.add_corpus(corpus_from_words(words, "hebrew"))
    run = store.create(RunConfig(corpus_sha256=sha256))
    store.request_stop(run.id)
    return store.run(run.id)


def test_b1_opening_a_run_selects_the_corpus_that_train_uses(open_page: Open, store: RunStore) -> None:
    run = other_corpus(store)
    app = open_page("train", run=run.id)
    assert "Corpus: hebrew, 12 words" in texts(app)
    train(app)
    new = store.latest()
    assert new is not None and new.id != run.id
    assert new.config.corpus_sha256 == run.config.corpus_sha256


def test_b1_an_added_corpus_survives_a_reload_of_train(open_page: Open, store: RunStore) -> None:
    sha256 = other_corpus(store).config.corpus_sha256
    app = open_page("data", corpus=sha256)
    app.get_by_key("corpus_choice")
    app.switch_page("app_pages/train.py").run()
    assert app.query_params["corpus"] in (sha256, [sha256])
    again = open_page("train", corpus=sha256)  # a new session with the address that the page had
    assert "Corpus: hebrew, 12 words" in texts(again)


def test_b1_a_link_with_both_keeps_its_corpus(open_page: Open, store: RunStore, finished: Run) -> None:
    sha256 = other_corpus(store).config.corpus_sha256
    app = open_page("train", run=finished.id, corpus=sha256)
    assert "Corpus: hebrew, 12 words" in texts(app)
    assert app.query_params["corpus"] in (sha256, [sha256])


def test_b1_an_address_names_a_corpus_only_where_its_run_does_not(open_page: Open, store: RunStore) -> None:
    run = other_corpus(store)
    assert "corpus" not in open_page("train", run=run.id).query_params
    bundled = store.add_corpus(read_words(BUNDLED_NAMES))
    app = open_page("train", run=run.id, corpus=bundled)
    assert app.query_params["corpus"] in (bundled, [bundled])
    assert "corpus" not in open_page("data", corpus=bundled).query_params


def test_b1_an_address_with_nonsense_falls_back_to_the_bundled_names(open_page: Open) -> None:
    app = open_page("data", run="nonsense", corpus="nonsense")
    assert not app.exception
    assert "This address names a corpus that this server does not have" in app.warning[0].value


CHANGES = {
    "architecture": "mlp",
    "compiled": True,
    "context_size": 4,
    "embedding_dim": 2,
    "hidden_sizes": "32, 16",
    "activation": "relu",
    "normalisation": "layer",
    "direct": True,
    "dropout": 0.25,
    "init": "lecture",
    "max_steps": 77,
    "batch_size": 64,
    "sampler": "examples",
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "schedule": "inverse-time",
    "decay_rate": 0.001,
    "weight_decay": 0.01,
    "patience": 3,
    "check_every": 50,
    "seed": 7,
    "split_seed": 9,
    "train_fraction": 0.7,
    "val_fraction": 0.2,
    "deduplicate": True,
}


def test_every_field_reaches_the_run(open_page: Open, store: RunStore) -> None:
    assert set(CHANGES) == set(FIELDS) - set(GIVEN), "a new setting needs a field and a line here"
    app = open_page("train")
    for name, value in CHANGES.items():
        field(app, name).set_value(value)
    app.run()
    assert field(app, "preset").value is None, "these are no preset's settings"
    train(app)
    run = store.latest()
    assert run is not None
    config = run.config
    assert settings.values_of(config.model, config.train, config.split) == CHANGES | GIVEN


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("context_size", 0, "context_size must be a whole number from 1 to 64, got 0"),
        ("hidden_sizes", "200, many", "hidden_sizes must be whole numbers with commas between, got '200, many'"),
        ("hidden_sizes", "", "hidden_sizes must be non-empty unless direct is on, got ()"),
        ("learning_rate", -1.0, "learning_rate must be a number above 0 and at most 1000, got -1.0"),
        ("train_fraction", 0.95, "train_fraction + val_fraction must be below 1"),
        ("val_fraction", 0.00001, "val split must have at least one word"),
    ],
)
def test_invalid_settings_get_their_sentence_and_store_nothing(
    open_page: Open, store: RunStore, name: str, value: object, sentence: str
) -> None:
    app = open_page("train")
    field(app, name).set_value(value).run()
    assert sentence in app.error[0].value.replace("\\", "")
    assert app.button(key="train").disabled
    assert store.runs() == []


def test_parameters_and_time_follow_the_form(open_page: Open) -> None:
    app = open_page("train")
    label = next(e.label for e in app.expander if "parameters" in e.label)
    assert label.startswith("11,897 parameters, about") and ", roughly" in label and label.endswith("a guess")
    field(app, "hidden_sizes").set_value("100").run()
    label = next(e.label for e in app.expander if "parameters" in e.label)
    assert label.startswith(f"{model_config(hidden_sizes=(100,)).parameters(27):,} parameters")


def test_time_is_measured_once_a_run_was_timed() -> None:
    config = settings.read_config(FIELDS, "0" * 64)
    assert not cost.expected_time(config, 27, []).measured
    estimate = cost.expected_time(config, 27, [(config, 1_000, 5.0)])
    assert estimate.measured
    assert estimate.seconds == pytest.approx(10.0)  # 2,000 steps like those that took 5 ms each
    assert not cost.expected_time(config, 27, [(config, 1, 3.0)]).measured, "stopped at once: that was its start"


def test_small_operations_cost_time_too() -> None:
    plain, normalised = (
        RunConfig(corpus_sha256="0" * 64, model=model, train=TrainConfig(batch_size=32, sampler="examples"))
        for model in (model_config(hidden_sizes=(100,) * 6, normalisation=kind) for kind in ("none", "batch"))
    )
    times = [cost.expected_time(config, 27, []).seconds for config in (normalised, plain)]
    assert 2 < times[0] / times[1] < 4, "2.6 where it was measured, with hardly more parameters"


def test_form_survives_a_page_switch(open_page: Open) -> None:
    app = open_page("train")
    field(app, "embedding_dim").set_value(5).run()
    app.switch_page("app_pages/runs.py").run()
    app.switch_page("app_pages/train.py").run()
    assert field(app, "embedding_dim").value == 5


def test_a_queued_run_shows_its_place_and_stops_at_once(
    open_page: Open, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.visitor.DOUBLE_CLICK", 0.0)  # each of the clicks is meant
    app = open_page("train")
    train(app)
    first = app.query_params["run"]
    train(app)
    assert app.query_params["run"] != first
    assert app.progress[0].text == "Queued, place 2"
    app.button(key="stop").click().run()
    assert store.run(app.query_params["run"]).state is RunState.STOPPED
    app.button(key="continue").click().run()
    assert store.run(app.query_params["run"]).state is RunState.QUEUED
    assert store.run(first).state is RunState.QUEUED


@pytest.mark.parametrize("saved", [True, False])
def test_train_and_generate_tell_one_story_of_a_run_that_failed(
    finished: Run, store: RunStore, open_page: Open, saved: bool
) -> None:
    """A14: no weights are promised where none were saved, as after an error for memory."""
    token = "0" * 32
    run = store.create(finished.config, token=token)
    if saved:
        step = Step(step=7, learning_rate=0.1, seconds=1.0, batch_loss=2.0)
        weights = SavedWeights(weights=store.weights(finished.id) or b"", losses={"val_loss": 2.0})
        store.record(run.id, token, Progress(points=[step], saved=weights))
    store.finish(run.id, token, RunState.FAILED, error="MemoryError: no room", error_type="MemoryError")
    on_train, on_generate = (texts(open_page(page, run=run.id)) for page in ("train", "generate"))
    assert ("Its curve and its weights of step 7 are kept" in on_train) == saved
    assert ("has saved no weights" in on_train) == ("has saved no weights" in on_generate) == (not saved)
    assert "good weights" not in on_train


def test_an_interrupted_run_says_where_it_goes_on(finished: Run, store: RunStore, open_page: Open) -> None:
    """A14: an interrupted run may have saved nothing yet."""
    token = "0" * 32
    run = store.create(finished.config, token=token)
    store.finish(run.id, token, RunState.INTERRUPTED)
    assert "It has saved no weights. Continue goes on from step 0, as if nothing had happened." in texts(
        open_page("train", run=run.id)
    )


def test_stop_says_so_before_the_worker_answers(open_page: Open, store: RunStore) -> None:
    app = open_page("train")
    train(app)
    assert store.claim(app.query_params["run"])
    app.run()
    app.button(key="stop").click().run()
    assert app.button(key="stopping").label == "Stopping …"
    assert app.progress[0].text.startswith("Stopping …")


def test_a_page_looks_at_a_long_run_less_and_less_often(finished: Run) -> None:
    def seconds_between(state: RunState, trained: float) -> float | None:
        return progress.tick(replace(finished, state=state, seconds=trained))

    assert [seconds_between(RunState.RUNNING, trained) for trained in (0, 5, 6, 30, 31)] == [0.5, 0.5, 1, 1, 2]
    assert seconds_between(RunState.STOPPING, 100) == 0.5  # someone waits for it
    assert seconds_between(RunState.FINISHED, 1) is progress.tick(None) is None


def test_a_finished_run_shows_its_losses_and_never_the_test_loss(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    store.open_test(finished.id)
    losses = store.run(finished.id).losses
    assert "test_loss" in losses
    app = open_page("train", run=finished.id)
    table = next(t.value for t in app.table if "Perplexity" in t.value.columns)
    assert table.set_index("Split").loc["Validation", "Loss"] == f"{losses['val_loss']:.4f}"
    shown = texts(app) + "".join(t.value.to_string() for t in app.table)
    assert f"{losses['test_loss']:.4f}" not in shown


def test_chart_controls_and_code(finished: Run, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    app.toggle(key="linear_steps").set_value(True)
    app.toggle(key="whole_curve").set_value(True)
    app.slider(key="smoothing").set_value(0.9)
    app.session_state["code"] = True
    app.button(key="take_home").click().run()
    assert not app.exception
    assert "safetensors" in app.code[0].value


def test_settings_of_a_run_can_be_used_again(finished: Run, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    assert field(app, "embedding_dim").value == 4, "a fresh visit to a run starts from its settings"
    field(app, "embedding_dim").set_value(5).run()
    app.button(key="reuse").click().run()
    assert field(app, "embedding_dim").value == 4
    assert "reuse" not in [button.key for button in app.button]


def test_samples_shown_are_few_and_tell_the_whole_story() -> None:
    words = [["xq", "k"], ["xq", "kk"], *([f"w{i}", "", "a" * 40, f"u{i}", f"v{i}"] for i in range(50))]
    words += [["emma"], ["emma"]]
    samples = pd.DataFrame({"step": [0, 1, *range(10, 5010, 100), 5020, 9000], "words": words})
    shown = curves.telling_samples(samples)
    steps = [step for step, _ in shown]
    assert (steps[0], steps[-1]) == (9000, 0), "the last and the first are always there, even if no word changed"
    assert steps == sorted(steps, reverse=True) and len(steps) <= 6
    assert 1 not in steps, "a line of which half repeats the one before says next to nothing"
    assert sum(step < 1000 for step in steps) >= 3, "most is learned early"
    assert "(empty), aaaaaaaaaaaaaaaaa…" in shown[1][1]
    assert curves.telling_samples(samples.iloc[:0]) == []


def test_names_of_runs_are_text_and_not_markup(finished: Run, store: RunStore, open_page: Open) -> None:
    store.rename(finished.id, "# [x](http://a) :red[b] $y$")
    app = open_page("train", run=finished.id)
    assert "\\[x\\]\\(http\\:\u2060//a\\)" in app.header[0].value  # a word joiner breaks the address


def test_c5_memory_and_size_are_said_and_too_much_of_them_is_refused_before_training(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("train")
    label = next(box.label for box in app.expander if "parameters" in box.label)
    assert re.fullmatch(r"11,897 parameters, about \d+ MB of memory, 2\.\d+ MB in the store, .*", label), label
    app.number_input(key="form_batch_size").set_value(65_536).run()
    monkeypatch.setattr("mmcore.cost.memory_limit", lambda: 10**9)
    app.run()
    assert "memory must be at most 500 MB for a run on this machine" in app.error[0].value.replace("\\", "")
    assert "lower batch_size (65,536)" in app.error[0].value.replace("\\", "")
    assert app.button(key="train").disabled
    assert store.runs() == []


def test_a13_a_downloaded_file_knows_the_words_it_was_trained_on(store: RunStore, finished: Run) -> None:
    artifact, train = (
        load(downloads.made(store, finished.id, FORMATS["weights"])),
        split_words(store.corpus(finished.config.corpus_sha256).words, finished.config.split).train,
    )
    assert artifact.trained_on([*train, "", "no such word"]) == len(train)
    assert artifact.cleaning["form"] == "NFC"


def test_a13_a_run_with_a_fixed_split_is_shown_and_used_again(open_page: Open, store: RunStore) -> None:
    corpus = corpus_from_words(["ab", "ba", "abb", "bab", "aa", "bb"], "six")
    split = SplitConfig(fixed=(3, 2, 1))
    config = RunConfig(corpus_sha256=store.add_corpus(corpus), split=split, train=TrainConfig(max_steps=5))
    app = open_page("train", run=store.create(config).id)
    assert "Fixed by files: 3 train, 2 validation and 1 test words." in texts(app)
    assert not app.exception and not app.error
    assert settings.read_config(dict(forms_of(app)), corpus.sha256) == config
    app.button(key="draw_split").click().run()
    assert "Fixed by files" not in texts(app)
    assert settings.read_config(dict(forms_of(app)), corpus.sha256).split == SplitConfig()


def test_a13_a_fixed_split_does_not_fit_another_corpus(open_page: Open, store: RunStore) -> None:
    corpus = corpus_from_words(["ab", "ba", "abb", "bab", "aa", "bb"], "six")
    config = RunConfig(corpus_sha256=store.add_corpus(corpus), split=SplitConfig(fixed=(3, 2, 1)))
    other = store.add_corpus(corpus_from_words(["ab"] * 20, "others"))
    app = open_page("train", run=store.create(config).id, corpus=other)
    assert "fixed split must have as many words as the corpus, got 3 + 2 + 1 of a corpus of 20" in (
        app.error[0].value.replace("\\", "")
    )


def forms_of(app: AppTest) -> dict[str, Any]:
    names = settings.values_of(model_config(), TrainConfig(), SplitConfig())
    return {name: app.session_state[f"form_{name}"] for name in names}


def hindered(open_page: Open, run: Run, *sentences: str) -> None:
    """Train says these of what hinders a run, and nothing else."""
    app = open_page("train", run=run.id)
    assert not app.exception
    assert [warning.value for warning in app.warning] == list(sentences)


def test_e6_train_says_that_the_machine_is_busy(
    open_page: Open, store: RunStore, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(finished.config, token="mine")
    share = 0.5
    monkeypatch.setattr(progress.CoreShare, "look", lambda _: share)
    hindered(open_page, run)
    share = 0.14
    told = (
        "This machine is busy: training has a core for 14% of the time for which it wants one. Open pages and other "
        "programs have it for the rest."
    )
    hindered(open_page, run, told)
    store.finish(run.id, "mine", RunState.FINISHED)
    hindered(open_page, run)


def test_a_warning_or_a_verdict_moves_no_chart(
    open_page: Open, store: RunStore, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has another place on the page is made anew by the browser, and a chart forgets its zoom."""
    run = store.create(finished.config, token="mine")
    places = [place_of_the_chart(open_page, run)]
    monkeypatch.setattr(progress.CoreShare, "look", lambda _: 0.1)
    places.append(place_of_the_chart(open_page, run))
    store.finish(run.id, "mine", RunState.FINISHED)
    places.append(place_of_the_chart(open_page, run))
    assert places[0] == places[1] == places[2]


def place_of_the_chart(open_page: Open, run: Run) -> list[int]:
    """Of the row above it, from the page down."""
    app = open_page("train", run=run.id)
    wanted = app.toggle(key="linear_steps")

    def path(node: Any) -> list[int] | None:
        if node == wanted:
            return []
        below = ((at, path(child)) for at, child in getattr(node, "children", {}).items())
        return next(([at, *rest] for at, rest in below if rest is not None), None)

    found = path(app.main)
    assert found
    return found[:-1]


def test_e2_train_says_that_the_disk_is_full(
    open_page: Open, store: RunStore, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(finished.config)
    hindered(open_page, run)
    monkeypatch.setattr("mmcore.store.store.shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    told = (
        "The disk that holds the store is full (4.1 kB left). What is stored can be read; training goes on, and is "
        "saved as soon as there is room."
    )
    hindered(open_page, run, told)


def test_e2_train_says_that_a_worker_saves_nothing(open_page: Open, store: RunStore, finished: Run) -> None:
    run = store.create(finished.config, token="mine")
    assert run.heartbeat
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET heartbeat = heartbeat - 60 WHERE id = :id"), {"id": run.id})
    app = open_page("train", run=run.id)
    (told,) = (warning.value for warning in app.warning)
    assert re.fullmatch(r"The worker has saved nothing for 6\d s: it is paused, or cannot write to the store\.", told)


def test_a_run_that_has_ended_says_first_what_it_came_to(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    said, losses = texts(app).replace("\\", ""), finished.losses
    counted = references(finished.config)
    order = min(4, finished.config.model.context_size)
    data = build_dataset(store.corpus(finished.config.corpus_sha256), finished.config.split, order)
    best = min(KneserNey(data.train, k).loss(data.val) for k in range(1, order + 1))
    assert counted["Kneser-Ney"] == pytest.approx(best)
    above = [losses["val_loss"] - counted[name] for name in ("Bigram", "Kneser-Ney")]
    assert above[0] > 0 and above[1] > 0, "30 steps"
    loss = f"{losses['val_loss']:.4f}"
    sentence = (
        f"The run is short. Validation loss {loss}: {above[0]:.4f} above Bigram and {above[1]:.4f} above Kneser-Ney."
    )
    assert sentence in said
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {
        "Train loss": f"{losses['train_loss']:.4f}",
        "Validation loss": loss,
        "Loss on unseen words": f"{losses['val_loss_unseen']:.4f}",
        "Bigram": f"{counted['Bigram']:.4f}",
        "Kneser-Ney": f"{counted['Kneser-Ney']:.4f}",
    }
    (words,) = store.samples(finished.id)["words"].tail(1)
    assert len(words) == 8 and ", ".join(curves.shown_word(word) for word in words) in said


def test_one_thing_is_changed_and_trained(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    assert app.button(key="one_train").disabled and "Nothing is changed yet" in texts(app)
    app.selectbox(key=f"one_{finished.id}").set_value("learning_rate").run()
    app.number_input(key=f"one_{finished.id}_learning_rate").set_value(0.05).run()
    assert "Changed: learning rate 0.02 → 0.05." in texts(app).replace("\\", "")
    app.button(key="one_train").click().run()
    latest = store.latest()
    assert latest is not None and latest.id != finished.id
    assert latest.config == finished.config.replace(train=finished.config.train.replace(learning_rate=0.05))
    assert field(app, "learning_rate").value == 0.05, "and the form shows it"
    assert app.query_params["run"] in (latest.id, [latest.id])


def test_every_setting_can_be_the_one_thing(finished: Run) -> None:
    for name in one_thing._settings(finished.config):
        values = settings.values_of(finished.config.model, finished.config.train, finished.config.split)
        assert one_thing.changed(finished.config, name, values[name]) == finished.config


def test_changes_are_said_one_by_one_and_counted_where_they_are_many(finished: Run) -> None:
    config = finished.config
    assert changes(config, config) == ""
    other = config.replace(split=config.split.replace(split_seed=7), train=config.train.replace(weight_decay=0.5))
    assert changes(config, other) == "weight decay 0 → 0.5, split seed 42 → 7"
    gru = config.replace(model=model_config(architecture="gru"))
    assert changes(config, gru).startswith("MLP → GRU, and ") and changes(config, gru).endswith(" more settings")
