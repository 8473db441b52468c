"""Sweep: defined in a form that says what is wrong, watched, stopped, added to, copied, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunConfig, RunState, RunStore, TrainConfig, cost
from mmcore.architectures import model_config
from mmcore.jobs import WORKERS, run_inline
from mmcore.jobs.sweeping import Sweeping
from mmcore.presets import PRESETS
from mmcore.store import StoredSweep, SweepState
from mmcore.sweeps import Axis, Sweep, axis_settings, read_axis, read_seeds
from tests.app.conftest import Open, texts
from tests.app.elements import field, figures, without_help
from ui import session
from ui.sweep import axes, choose

TINY = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
BASE = RunConfig(corpus_sha256="0" * 64, model=TINY, train=TrainConfig(max_steps=20, batch_size=8))
BASES = {"mlp": BASE, "gru": BASE.replace(model=PRESETS["gru"].model, train=PRESETS["gru"].train)}


def small(sha256: str, **changes: Any) -> Sweep:
    """Two context sizes by two dimensions, with two seeds."""
    varied = (Axis(name="context_size", values=(1, 2)), Axis(name="embedding_dim", values=(2, 3)))
    return Sweep(**{"base": BASE.replace(corpus_sha256=sha256), "axes": varied, "seeds": (1, 2), **changes})


@pytest.fixture
def sha256(store: RunStore) -> str:
    """The bundled names, in the store."""
    return store.add_corpus(session.bundled())


@pytest.fixture
def stored(store: RunStore, sha256: str) -> StoredSweep:
    """A stored sweep without runs."""
    return store.create_sweep(small(sha256), name="Context or numbers", question="Which pays more?")


def add(store: RunStore, stored: StoredSweep) -> list[str]:
    """Have all its runs queued, as the server's queue does for many workers; their ids."""
    assert Sweeping(store).advance(workers=10)
    return [run.id for run in store.sweep_runs(stored.id)]


def started(app: AppTest) -> AppTest:
    app.button(key="start_sweep").click().run()
    assert not app.exception
    return app


def errors(app: AppTest) -> list[str]:
    return [error.value.replace("\\", "") for error in app.error]


# ---- as it is typed


@pytest.mark.parametrize("base", BASES)
def test_what_every_setting_begins_with_can_be_typed_and_is_a_sweep(base: str) -> None:
    for name, setting in axis_settings(BASES[base]).items():
        for axis in (axes.values(BASES[base], name, setting), axes.in_range(BASES[base], name, setting)):
            Sweep(base=BASES[base], axes=(axis,), method="random")
            assert not axes.is_typed(setting) or read_axis(name, setting, axes.written(axis, setting)) == axis


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("context_size", "1, 2,8", (1, 2, 8)),
        ("hidden_sizes", "100, 100 x 50, 30×30", ((100,), (100, 50), (30, 30))),
        ("learning_rate", "0.01, 1e-3", (0.01, 0.001)),
        ("learning_rate", "0.001 to 0.1", (0.001, 0.1)),
    ],
)
def test_values_and_ranges_are_read_as_they_are_typed(name: str, text: str, wanted: tuple[Any, ...]) -> None:
    axis = read_axis(name, axis_settings(BASE)[name], text)
    assert (axis.values or (axis.low, axis.high)) == wanted


def test_seeds_are_a_list_or_a_range() -> None:
    for text, seeds in (("1 to 4", (1, 2, 3, 4)), ("7", (7,)), ("3, 1", (3, 1)), ("5 to 5", (5,))):
        assert read_seeds(text) == seeds and read_seeds(axes.written_seeds(seeds)) == seeds
    with pytest.raises(ValueError, match="seeds must be from a lower to a higher one, got '3 to 1'"):
        read_seeds("3 to 1")
    with pytest.raises(ValueError, match="seeds must be 1 to 100, got"):
        read_seeds("1 to 1000000000000")


# ---- define


def test_a_grid_is_defined_and_started(open_page: Open, store: RunStore) -> None:
    app = open_page("sweep")
    assert without_help(app) == []
    app.text_input(key="sweep_values_context_size").set_value("1, 2, 4").run()
    app.text_input(key="sweep_values_embedding_dim").set_value("2, 8").run()
    app.text_input(key="sweep_seeds").set_value("1 to 3").run()
    assert "6 settings × 3 seeds = **18 runs**" in texts(app)
    app.text_input(key="sweep_question").set_value("What pays?").run()
    started(app)
    (made,) = store.sweeps()
    assert (made.name, made.question, made.state) == ("Context size × embedding dimension", "What pays?", "active")
    assert made.owner == app.session_state["visitor"]
    sweep, blink = made.config, PRESETS["blink"]
    assert [axis.values for axis in sweep.axes] == [(1, 2, 4), (2, 8)] and sweep.seeds == (1, 2, 3)
    assert (sweep.base.model, sweep.base.train) == (blink.model, blink.train)
    assert sweep.base.corpus_sha256 == session.bundled_sha256()
    assert app.query_params["sweep"] == made.id and app.header[0].value == "Context size × embedding dimension"


def test_the_settings_on_train_a_preset_or_a_run_are_what_it_starts_from(
    finished: Run, open_page: Open, store: RunStore
) -> None:
    app = open_page("train", run=finished.id)
    app.number_input(key="form_max_steps").set_value(77).run()
    app.switch_page("app_pages/sweep.py").run()
    started(app)
    assert store.sweeps()[0].config.base == finished.config.replace(train=finished.config.train.replace(max_steps=77))
    app = open_page("sweep")
    field(app, "button_group", "Starting from").set_value("preset").run()
    app.selectbox(key="sweep_preset").set_value("gru").run()
    assert {"Hidden units", "State dropout"} < set(app.multiselect(key="sweep_axes").options), "a GRU's"
    started(app)
    assert store.sweeps()[0].config.base.model == PRESETS["gru"].model
    app = open_page("sweep")
    field(app, "button_group", "Starting from").set_value("run").run()
    started(app)
    assert store.sweeps()[0].config.base == finished.config


def test_ranges_are_for_random_and_tpe(open_page: Open, store: RunStore) -> None:
    app = open_page("sweep")
    app.multiselect(key="sweep_axes").set_value(["learning_rate", "activation"]).run()
    assert "sweep_settings_to_try" not in [box.key for box in app.number_input]
    field(app, "button_group", "Settings to try").set_value("tpe").run()
    app.text_input(key="sweep_ranges_learning_rate").set_value("0.001 to 0.1").run()
    assert app.checkbox(key="sweep_log_learning_rate").value, "a hundred times as high as low"
    app.number_input(key="sweep_settings_to_try").set_value(7).run()
    app.number_input(key="sweep_minutes").set_value(2.5).run()
    assert "7 settings × 3 seeds = **21 runs**" in texts(app)
    started(app)
    sweep = store.sweeps()[0].config
    assert sweep.axes[0] == Axis(name="learning_rate", low=0.001, high=0.1, log=True)
    assert sweep.axes[1].values == ("tanh", "relu", "gelu")
    assert (sweep.method, sweep.settings_to_try, sweep.minutes, sweep.sweep_seed) == ("tpe", 7, 2.5, 1)


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("sweep_values_context_size", "0", "context_size must be a whole number from 1 to 64, got 0"),
        ("sweep_values_context_size", "two", "context_size must be a whole number from 1 to 64, got 'two'"),
        ("sweep_values_context_size", "", "values of context_size must be at least one, got ()"),
        ("sweep_values_context_size", "2, 2", "values of context_size must be all different, got (2, 2)"),
        (
            "sweep_values_context_size",
            "1 to 4",
            "values of context_size must be a list in a grid, such as 1, 2, 4, got",
        ),
        ("sweep_seeds", "", "seeds must be 1 to 100, got 0"),
        ("sweep_seeds", "one", "seeds must be a whole number from 0"),
        ("sweep_seeds", "1, 1", "seeds must be all different, got (1, 1)"),
        ("sweep_values_embedding_dim", "1000000", "embedding_dim must be a whole number from 1 to 1,024, got 1000000"),
    ],
)
def test_what_is_no_sweep_gets_one_sentence_and_is_not_started(
    open_page: Open, store: RunStore, key: str, text: str, sentence: str
) -> None:
    app = open_page("sweep")
    app.text_input(key=key).set_value(text).run()
    assert [said[: len(sentence)] for said in errors(app)] == [sentence]
    assert app.button(key="start_sweep").disabled
    assert not app.exception and store.sweeps() == []


def test_presets_vary_alone_and_nothing_is_no_sweep(open_page: Open) -> None:
    app = open_page("sweep")
    app.multiselect(key="sweep_axes").set_value(["preset", "context_size"]).run()
    assert errors(app) == ["axes must be alone where they are presets, got ['preset', 'context_size']"]
    app.multiselect(key="sweep_axes").set_value([]).run()
    assert errors(app) == [] and app.button(key="start_sweep").disabled


def test_what_it_will_take_is_said_before_the_click(finished: Run, open_page: Open, store: RunStore) -> None:
    app = open_page("sweep")
    field(app, "button_group", "Starting from").set_value("run").run()
    app.text_input(key="sweep_values_context_size").set_value("2, 3").run()
    app.text_input(key="sweep_values_embedding_dim").set_value("4").run()
    app.text_input(key="sweep_seeds").set_value("1 to 5").run()
    earlier = [(finished.config, finished.step, finished.seconds)]
    other = finished.config.replace(model=finished.config.model.replace(context_size=2))
    seconds = [cost.expected_time(config, 27, earlier).seconds for config in (other, finished.config)]
    either = [cost.Estimate(sum(seconds) / 2 * 9 / WORKERS, measured) for measured in (True, False)]
    said = texts(app)
    assert "1 of them is there already" in said
    assert any(f"{WORKERS} at a time: {estimate}" in said for estimate in either)


def test_a_sweep_for_which_there_is_no_room_is_refused_before_the_click(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_STORED_MB", "1")
    app = open_page("sweep")
    (sentence,) = errors(app)
    assert sentence.startswith("room for runs and corpora must be at most 1 MB for one visitor, got 0 bytes and")
    assert app.button(key="start_sweep").disabled


# ---- watch


def test_a_link_opens_a_sweep_for_anyone_and_results_appear_as_runs_finish(
    stored: StoredSweep, open_page: Open, store: RunStore
) -> None:
    app = open_page("sweep", sweep=stored.id)
    assert "Which pays more?" in texts(app) and "0 of 8 runs done, 8 to begin" in app.progress[0].text
    ids = add(store, stored)
    trained = [run_inline(store, run_id) for run_id in ids[:3]]
    assert store.claim(ids[3])
    app.run()
    assert app.progress[0].text.startswith("3 of 8 runs done, 1 running, 4 waiting, about ")
    assert "Running" in texts(app)
    best = min(run.losses["val_loss"] for run in trained)
    said = [str(frame.value.to_dict()) for frame in app.dataframe]
    assert any(f"{best:.4f}" in table for table in said), "the results are on the page"
    assert figures(app)[0]["alt"].startswith("Heatmap of the validation loss, 3 of 4 cells filled")


def test_what_varies_is_said_above_the_results(stored: StoredSweep, store: RunStore) -> None:
    said = "Context size: 1, 2. Embedding dimension: 2, 3. Seeds 1, 2. Corpus names. Starting from MLP, context 2,"
    assert choose.in_words(stored.config).startswith(f"Grid. {said}")
    rates = Axis(name="learning_rate", low=0.001, high=0.1, log=True)
    drawn = stored.config.replace(axes=(rates,), method="tpe", settings_to_try=30, seeds=(1, 2, 3))
    wanted = "TPE, 30 settings. Learning rate: 0.001 to 0.1, logarithmic. Seeds 1 to 3. Corpus names."
    assert choose.in_words(drawn).startswith(wanted)
    presets = stored.config.replace(axes=(Axis(name="preset", values=("blink", "gru")),))
    assert choose.in_words(presets) == "Grid. Preset: Blink, GRU. Seeds 1, 2. Corpus names."


def test_a_sweep_that_has_all_its_runs_is_done(stored: StoredSweep, open_page: Open, store: RunStore) -> None:
    for run_id in add(store, stored):
        run_inline(store, run_id)
    Sweeping(store).advance(workers=1)
    app = open_page("sweep", sweep=stored.id)
    assert app.progress[0].text == "8 of 8 runs done" and "Finished" in texts(app)
    assert not {"stop_sweep", "resume_sweep"} & {button.key for button in app.button}


def test_stop_ends_its_runs_and_go_on_continues_them(stored: StoredSweep, open_page: Open, store: RunStore) -> None:
    ids = add(store, stored)
    run_inline(store, ids[0])
    assert store.claim(ids[1])
    app = open_page("sweep", sweep=stored.id)
    app.button(key="stop_sweep").click().run()
    assert store.sweep(stored.id).state is SweepState.STOPPED
    states = [store.run(run_id).state for run_id in ids]
    assert states == [RunState.FINISHED, RunState.STOPPING] + [RunState.STOPPED] * 6
    assert "Stopped" in texts(app)
    app.button(key="resume_sweep").click().run()
    assert store.sweep(stored.id).state is SweepState.ACTIVE
    assert [store.run(run_id).state for run_id in ids[2:]] == [RunState.QUEUED] * 6
    assert not app.exception


def test_the_newest_sweep_of_the_visitor_is_shown_and_another_can_be_chosen(
    stored: StoredSweep, open_page: Open, store: RunStore
) -> None:
    app = open_page("sweep")
    assert not app.header, "someone else's is not opened unasked"
    started(app)
    assert app.header[0].value == "Context size × embedding dimension"
    app.query_params["sweep"] = stored.id
    app.run()
    assert app.header[0].value == "Context or numbers"
    app.button(key="new_sweep").click().run()
    assert not app.header and "sweep" not in app.query_params
    app.switch_page("app_pages/data.py").run()
    app.switch_page("app_pages/sweep.py").run()
    assert not app.header and not app.warning and not app.exception, "the form stays"


def test_the_list_says_how_far_each_sweep_is(stored: StoredSweep, store: RunStore) -> None:
    run_inline(store, add(store, stored)[0])
    done = store.create_sweep(small(stored.config.base.corpus_sha256, seeds=(3,)), name="Stopped")
    store.set_sweep_state(done.id, SweepState.STOPPED)
    table = choose.rows(store.sweeps())
    assert table["Name"].tolist() == ["Stopped", "Context or numbers"]
    assert table["State"].tolist() == ["Stopped", "Running"]
    assert table["Runs"].tolist() == ["0 of 4", "1 of 8"] and table["Done"].tolist() == [0, 1 / 8]


def test_an_address_of_no_sweep_gets_a_sentence_and_the_form(open_page: Open) -> None:
    app = open_page("sweep", sweep="../../x")
    assert "does not have" in app.warning[0].value and "sweep" not in app.query_params
    assert app.button(key="start_sweep") and not app.exception


# ---- change


def test_seeds_and_values_are_added(stored: StoredSweep, open_page: Open, store: RunStore) -> None:
    app = open_page("sweep", sweep=stored.id)
    assert app.button(key="add_runs").disabled
    app.text_input(key=f"more_seeds_{stored.id}").set_value("3").run()
    assert app.button(key="add_runs").label == "Add 4 runs"
    app.text_input(key=f"more_context_size_{stored.id}").set_value("2, 4").run()
    assert app.button(key="add_runs").label == "Add 10 runs", "2 is there already"
    app.button(key="add_runs").click().run()
    assert not app.exception
    config = store.sweep(stored.id).config
    assert config.seeds == (1, 2, 3) and config.axes[0].values == (1, 2, 4) and config.axes[1].values == (2, 3)
    assert app.button(key="add_runs").disabled, "what was typed is in the sweep now"
    assert [app.text_input(key=f"more_{field}_{stored.id}").value for field in ("seeds", "context_size")] == ["", ""]
    app.text_input(key=f"more_seeds_{stored.id}").set_value("x").run()
    assert errors(app)[0].startswith("seeds must be a whole number") and app.button(key="add_runs").disabled


def test_more_settings_are_added_where_they_are_drawn(open_page: Open, store: RunStore, sha256: str) -> None:
    varied = (Axis(name="learning_rate", low=0.01, high=0.1), Axis(name="activation", values=("tanh",)))
    sweep = small(sha256, axes=varied, method="random", settings_to_try=3)
    made = store.create_sweep(sweep, name="Drawn")
    app = open_page("sweep", sweep=made.id)
    app.number_input(key=f"more_settings_{made.id}").set_value(5).run()
    app.multiselect(key=f"more_activation_{made.id}").set_value(["gelu"]).run()
    assert app.button(key="add_runs").label == "Add 4 runs"
    app.button(key="add_runs").click().run()
    config = store.sweep(made.id).config
    assert config.settings_to_try == 5 and config.axes == (varied[0], Axis(name="activation", values=("tanh", "gelu")))


def test_a_sweep_is_renamed_asked_something_else_and_deleted_without_its_runs(
    stored: StoredSweep, open_page: Open, store: RunStore
) -> None:
    ids = add(store, stored)
    app = open_page("sweep", sweep=stored.id)
    app.text_input(key=f"sweep_name_{stored.id}").set_value("Other").run()
    app.text_area(key=f"sweep_question_{stored.id}").set_value("Why?").run()
    renamed = store.sweep(stored.id)
    assert (renamed.name, renamed.question) == ("Other", "Why?") and app.header[0].value == "Other"
    app.text_input(key=f"sweep_name_{stored.id}").set_value(" ").run()
    assert store.sweep(stored.id).name == "Other" and not app.exception
    app.button(key="delete_sweep").click().run()
    app.button(key="confirm_delete").click().run()
    assert store.sweeps() == [] and len(store.runs()) == len(ids)
    assert not app.exception and app.button(key="start_sweep")


@pytest.mark.parametrize("method", ["grid", "tpe"])
def test_a_copy_is_the_same_definition_to_be_changed(
    open_page: Open, store: RunStore, sha256: str, method: str
) -> None:
    varied = (Axis(name="hidden_sizes", values=((4,), (4, 3))), Axis(name="init", values=("scaled", "lecture")))
    if method == "tpe":
        varied = (Axis(name="learning_rate", low=0.001, high=0.5, log=False), varied[1])
    sweep = small(sha256, axes=varied, method=method, seeds=(4, 9), minutes=3.0)
    made = store.create_sweep(sweep, name="First", question="Why?")
    app = open_page("sweep", sweep=made.id)
    app.button(key="copy_sweep").click().run()
    started(app)
    copy, first = store.sweeps()
    assert first == made and copy.config == sweep and (copy.name, copy.question) == ("First", "Why?")
