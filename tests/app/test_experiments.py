"""Experiments on Lessons: trained in one click, stopped in one, drawn from what has finished, and what that says."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import ARCHITECTURES, Run, RunState, RunStore, corpus_from_words, cost, experiments, read_words
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import BUNDLED_NAMES
from mmcore.experiments import CONTEXT_SIZES, EMBEDDING_DIMS, STEPS
from mmcore.jobs import WORKERS, run_inline
from mmcore.jobs.sweeping import Sweeping
from mmcore.presets import PRESETS, TO_MICROGPT, starting_points
from mmcore.store import RunFilter, SweepState
from tests.app.conftest import Open, texts
from tests.app.elements import keyed, numbers, without_help
from ui.lessons.experiments import (
    CHANGES,
    EXPERIMENTS,
    by_heart,
    context_effect,
    depth_effect,
    lowest,
    size_effect,
    step_effect,
)

COUNTS = {
    "initialisation": 24,
    "context": len(CONTEXT_SIZES) * len(EMBEDDING_DIMS),
    "architectures": len(ARCHITECTURES),
    "microgpt": 8,
}
FIGURE = "experiment_figure"


@pytest.fixture
def few(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """A corpus of few words, on which the experiments' runs are two steps long."""
    monkeypatch.setattr(experiments, "TRAINING", experiments.TRAINING.replace(max_steps=2))
    short = {name: dataclasses.replace(p, train=p.train.replace(max_steps=2)) for name, p in PRESETS.items()}
    steps = {name: dataclasses.replace(p, train=p.train.replace(max_steps=2)) for name, p in TO_MICROGPT.items()}
    for module in ("experiments", "presets"):
        monkeypatch.setattr(f"mmcore.{module}.PRESETS", short)
    monkeypatch.setattr("mmcore.presets.TO_MICROGPT", steps)
    return store.add_corpus(corpus_from_words(read_words(BUNDLED_NAMES).words[:300], "few"))


def ended(store: RunStore, config: RunConfig) -> str:
    """The id of a run that counts as finished, and was not trained."""
    run_id = store.create(config).id
    token = store.claim(run_id)
    assert token
    store.finish(run_id, token, RunState.FINISHED)
    return run_id


def open_experiment(open_page: Open, name: str, **query: str) -> AppTest:
    app = open_page("lessons", **query)
    return app.segmented_control(key="experiment").set_value(name).run()


def start(app: AppTest, store: RunStore) -> AppTest:
    """Make the sweep, and have its runs queued, as workers have it done."""
    app.button(key="start_experiment").click().run()
    assert not app.exception
    assert Sweeping(store).advance(workers=10)
    return app.run()


def queue_all(store: RunStore) -> list[str]:
    """Queue what the newest sweep has not yet, and return its runs in the order of the grid."""
    sweep = store.sweeps()[0]
    wanted = [(sweep.config.config(setting, 1), sweep.config.said(setting)) for setting in sweep.config.grid()]
    added = store.add_to_sweep(sweep.id, wanted, known=0)
    assert added is not None
    return added


def keys(app: AppTest) -> set[str | None]:
    return {button.key for button in app.button}


def links(app: AppTest) -> list[str]:
    """What the links to Sweep ask for."""
    return [link.proto.query_string for link in app.get("page_link") if link.proto.page == "sweep"]


def points(trace: dict[str, Any]) -> list[tuple[Any, float]]:
    return list(zip(numbers(trace["x"]).tolist(), numbers(trace["y"]).tolist(), strict=True))


def test_the_experiments_are_those_counted_here() -> None:
    assert list(EXPERIMENTS) == list(COUNTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_a_sweep_and_is_drawn_as_its_runs_end(
    few: str, open_page: Open, store: RunStore, name: str
) -> None:
    experiment, count = EXPERIMENTS[name], COUNTS[name]
    app = open_experiment(open_page, name, corpus=few)
    assert experiment.question in texts(app)
    assert app.button(key="start_experiment").label == f"Train the {count} runs"
    assert FIGURE not in keyed(app) and without_help(app) == [] and not links(app)
    start(app, store)
    (sweep,) = store.sweeps()
    assert (sweep.name, sweep.question) == (experiment.title, experiment.question)
    assert sweep.config == experiment.sweep(few) and sweep.owner == app.session_state["visitor"]
    made = store.runs(RunFilter(sweep=sweep.id))
    assert len(made) == len({run.config for run in made}) == count
    assert f"0 of {count} have finished, {count} queued." in texts(app)
    assert "start_experiment" not in keys(app) and links(app) == [f"sweep={sweep.id}"]
    trained = [run_inline(store, run.id) for run in made[:2]]
    app.run()
    assert not app.exception
    assert f"2 of {count} have finished, {count - 2} queued." in texts(app)
    best = min(trained, key=lambda run: run.losses["val_loss"])
    said = sweep.config.said(sweep.config.setting_of(best.config))
    assert f"Lowest validation loss: **{said}**, {best.losses['val_loss']:.4f} with" in texts(app)
    drawn = [value for trace in keyed(app)[FIGURE]["data"] for xy in points(trace) for value in xy]
    for run in trained:
        assert any(value == pytest.approx(run.losses["val_loss"], abs=1e-12) for value in drawn)


def test_a_line_for_each_kind_over_depth(few: str, open_page: Open, store: RunStore) -> None:
    app = start(open_experiment(open_page, "initialisation", corpus=few), store)
    wanted = {}
    for run in store.runs():
        model = run.config.model.to_dict()
        if (model["init"], model["normalisation"]) == ("lecture", "batch") and len(wanted) < 2:
            wanted[len(model["hidden_sizes"])] = run_inline(store, run.id).losses["val_loss"]
    (line,) = keyed(app.run())[FIGURE]["data"]
    assert dict(points(line)) == pytest.approx(wanted)
    assert line["name"] == "Lecture, batch normalisation"


def test_two_lines_for_each_embedding_over_context_size(few: str, open_page: Open, store: RunStore) -> None:
    app = start(open_experiment(open_page, "context", corpus=few), store)
    wanted: dict[str, dict[int, float]] = {}
    for run in store.runs()[:8]:  # contexts 8 and 6
        model, losses = run.config.model.to_dict(), run_inline(store, run.id).losses
        name = f"Embedding {model['embedding_dim']}"
        wanted.setdefault(name, {})[model["context_size"]] = losses["val_loss"]
        wanted.setdefault(f"{name}, train", {})[model["context_size"]] = losses["train_loss"]
    lines = {trace["name"]: trace for trace in keyed(app.run())[FIGURE]["data"]}
    assert len(wanted) == 2 * len(EMBEDDING_DIMS)
    for name, losses in wanted.items():
        assert dict(points(lines[name])) == pytest.approx(losses)
        assert (lines[name]["line"].get("dash") == "dot") == name.endswith("train")
    symbols = {trace["marker"]["symbol"] for trace in lines.values() if "marker" in trace}
    assert len(symbols) == len(wanted), "no two lines differ in colour only"


def test_a_row_for_each_architecture_lowest_validation_loss_on_top(few: str, open_page: Open, store: RunStore) -> None:
    app = start(open_experiment(open_page, "architectures", corpus=few), store)
    trained = [run_inline(store, run.id) for run in store.runs()]
    app.run()
    ranked = sorted(trained, key=lambda run: run.losses["val_loss"], reverse=True)  # plotly's first is at the bottom
    dots = {trace.get("name"): trace for trace in keyed(app)[FIGURE]["data"] if trace["mode"] == "markers"}
    for name, title in (
        ("train_loss", "Train"),
        ("val_loss", "Validation"),
        ("val_loss_unseen", "Validation, unseen words"),
    ):
        assert numbers(dots[title]["x"]) == pytest.approx([run.losses[name] for run in ranked])
        assert list(dots[title]["y"]) == [run.config.model.title for run in ranked]
    assert set(dots["Train"]["y"]) == {family.title for family in ARCHITECTURES.values()}
    assert len({(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in dots.values()}) == 3
    updates = [row[1] for row in dots["Train"]["customdata"]]
    assert updates == [run.step for run in ranked]
    shown: pd.DataFrame = app.dataframe[-1].value
    assert sorted(shown["Validation"]) == pytest.approx(sorted(run.losses["val_loss"] for run in trained))
    assert not {"start_experiment", "stop_experiment", "resume_experiment"} & keys(app), "nothing left to do"


def test_only_what_is_missing_of_an_experiment_is_trained(finished: Run, open_page: Open, store: RunStore) -> None:
    first, second, *_ = experiments.configs(experiments.initialisation(finished.config.corpus_sha256))
    earlier = [ended(store, config) for config in (first, second)]
    app = open_page("lessons")
    assert app.button(key="start_experiment").label == "Train the 22 that are missing"
    start(app, store)
    mine = store.runs(RunFilter(sweep=store.sweeps()[0].id))
    assert {*earlier} < {run.id for run in mine} and len(mine) == 24
    assert store.count() == 1 + 24, "none of them twice"


def test_stop_and_go_on_are_those_of_the_sweep(finished: Run, few: str, open_page: Open, store: RunStore) -> None:
    app = open_experiment(open_page, "architectures", corpus=few)
    assert "stop_experiment" not in keys(app), "nothing to stop"
    start(app, store)
    other = store.create(finished.config)
    sweep = store.sweeps()[0]
    first, second, *waiting = [run.id for run in store.runs(RunFilter(sweep=sweep.id))]
    assert store.claim(first)
    run_inline(store, second)
    app.run()
    app.button(key="stop_experiment").click().run()
    assert not app.exception
    assert store.sweep(sweep.id).state is SweepState.STOPPED
    assert store.run(first).state is RunState.STOPPING
    assert store.run(second).state is RunState.FINISHED
    assert {store.run(run_id).state for run_id in waiting} == {RunState.STOPPED}
    assert store.run(other.id).state is RunState.QUEUED
    app.button(key="resume_experiment").click().run()
    assert store.sweep(sweep.id).state is SweepState.ACTIVE
    assert {store.run(run_id).state for run_id in waiting} == {RunState.QUEUED}


def test_an_experiment_that_has_grown_is_still_the_same_sweep(few: str, open_page: Open, store: RunStore) -> None:
    start(open_experiment(open_page, "context", corpus=few), store)
    sweep = store.sweeps()[0]
    store.change_sweep(sweep.id, sweep.config.replace(seeds=(1, 2)))
    assert links(open_experiment(open_page, "context", corpus=few)) == [f"sweep={sweep.id}"]


def test_a_run_cut_short_is_no_result(few: str, open_page: Open, store: RunStore) -> None:
    run = store.create(next(experiments.configs(experiments.architectures(few))))
    token = store.claim(run.id)
    store.request_stop(run.id)  # its worker sees it at the first step
    ended = run_inline(store, run.id, token=token)
    assert ended.state is RunState.STOPPED and ended.losses
    app = open_experiment(open_page, "architectures", corpus=few)
    assert f"0 of {len(ARCHITECTURES)} have finished, 1 stopped." in texts(app)
    assert FIGURE not in keyed(app) and "Lowest" not in texts(app)


def test_the_choice_of_experiment_stays(open_page: Open) -> None:
    app = open_experiment(open_page, "context")
    app.switch_page("app_pages/data.py").run()
    app.switch_page("app_pages/lessons.py").run()
    assert app.segmented_control(key="experiment").value == "context"


def test_the_time_said_is_that_of_what_is_missing(finished: Run, open_page: Open, store: RunStore) -> None:
    configs = list(experiments.configs(experiments.architectures(finished.config.corpus_sha256)))
    earlier = [(finished.config, finished.step, finished.seconds)]
    whole = cost.expected_times(configs, 27, earlier, WORKERS)
    assert f"{WORKERS} at a time: {whole}." in texts(open_experiment(open_page, "architectures"))
    for config in configs[1:]:
        ended(store, config)
    said = texts(open_experiment(open_page, "architectures"))
    assert f"{cost.expected_time(configs[0], 27, earlier)}." in said


def test_several_runs_take_their_sum_shared_and_no_less_than_the_longest() -> None:
    def config(steps: int) -> RunConfig:
        return RunConfig(corpus_sha256="ab" * 32, train=TrainConfig(max_steps=steps))

    earlier = [(config(1_000), 1_000, 5.0)]
    even = cost.expected_times([config(1_000)] * 4, 27, earlier, at_once=2)
    assert even.seconds == pytest.approx(10.0) and even.measured
    uneven = cost.expected_times([config(1_000), config(8_000)], 27, earlier, at_once=2)
    assert uneven.seconds == pytest.approx(40.0)
    assert not cost.expected_times([config(1_000)], 27, [], at_once=2).measured


def test_runs_leads_to_the_experiments(finished: Run, open_page: Open) -> None:
    links = [link.proto for link in open_page("runs").get("page_link")]
    assert ["experiment" in link.label and link.page for link in links] == ["lessons"]


# ---- what the results say


def test_the_lowest_and_the_smallest_that_noise_does_not_tell_from_it() -> None:
    done = pd.DataFrame({"name": ["a", "b", "c"], "parameters": [9_000, 5_000, 1_000], "val_loss": [2.0, 2.009, 2.02]})
    first = "Lowest validation loss: **a**, 2.0000 with 9,000 parameters."
    assert lowest(done) == f"{first} Within 0.01 of it: **b**, 2.0090 with 5,000."
    assert lowest(done.drop(index=1)) == first
    assert lowest(done.assign(parameters=[1, 2, 3])).count("**") == 2, "a larger one is nothing to say"


def test_a_step_says_what_it_changed_and_what_came_of_it() -> None:
    losses = [2.17, 2.1, 2.04, 2.12, 2.11, 2.115, 2.12, 2.31]
    rows = [(name, 1_000 * at, loss) for at, (name, loss) in enumerate(zip(STEPS, losses, strict=True))]
    done = pd.DataFrame(rows, columns=["preset", "parameters", "val_loss"])
    said = step_effect(done)
    assert said[0].startswith("**Quick** (1,000 parameters): AdamW,") and said[0].endswith("2.1700 → 2.1000, -0.0700.")
    assert said[2].endswith(f"{TO_MICROGPT['attention'].note} Validation loss 2.0400 → 2.1200, +0.0800.")
    assert len(said) == 7 and step_effect(done.drop(index=3)) == [*said[:2], *said[4:]], "no step without both runs"


def test_what_the_ends_change_is_true() -> None:
    lecture, quick, last, microgpt = (starting_points()[name] for name in (*STEPS[:2], *STEPS[-2:]))
    changed = CHANGES["quick"]
    assert (lecture.train.max_steps, quick.train.max_steps) == (200_000, 5_000) and "5,000 updates" in changed
    assert lecture.train.optimizer == "sgd" and quick.train.optimizer == "adamw" and "AdamW" in changed
    assert lecture.model.replace(init="scaled") == quick.model and lecture.train.batch_size < quick.train.batch_size
    assert (last.train.batch_size, microgpt.train.batch_size) == (32, 1) and "instead of 32" in CHANGES["microgpt"]
    assert last.train.weight_decay > microgpt.train.weight_decay == 0 and "no weight decay" in CHANGES["microgpt"]
    assert (last.train.max_steps, microgpt.train.max_steps, microgpt.train.learning_rate) == (5_000, 1_000, 0.01)


def test_depth_is_said_for_the_kinds_whose_ends_are_there() -> None:
    one, six = (100,), (100,) * 6
    rows = [("lecture", "none", one, 2.1), ("lecture", "none", six, 2.6)]
    rows += [("scaled", "batch", one, 2.2), ("scaled", "batch", six, 2.1), ("scaled", "none", one, 2.0)]
    done = pd.DataFrame(rows, columns=["init", "normalisation", "hidden_sizes", "val_loss"])
    assert depth_effect(done) == ["From 1 to 6 layers: Lecture +0.50; Scaled, batch normalisation -0.10."]
    assert depth_effect(done[done["hidden_sizes"] == one]) == []


def grid(losses: dict[int, list[tuple[float, float]]]) -> pd.DataFrame:
    """Results by embedding dimension: a (train, validation) for each context size."""
    rows = [
        (context, dim, f"Context {context}, embedding {dim}", *pair)
        for dim, pairs in losses.items()
        for context, pair in zip(CONTEXT_SIZES, pairs, strict=False)
    ]
    return pd.DataFrame(rows, columns=["context_size", "embedding_dim", "name", "train_loss", "val_loss"])


FLAT = [(2.3, 2.5), (2.2, 2.3), (2.15, 2.25), (2.15, 2.248), (2.15, 2.248), (2.14, 2.249)]
TURNS = [(2.4, 2.5), (2.1, 2.2), (2.0, 2.1), (1.9, 2.0), (1.8, 2.02), (1.7, 2.05)]


def test_what_context_and_dimensions_are_worth_and_up_to_where() -> None:
    back, pays, _ = context_effect(grid({2: FLAT, 32: TURNS}))
    assert back == "From the lowest, going back to context 1 would cost 0.50, to embedding 2 would cost 0.25."
    assert pays == "The smallest context size within 0.01 of the lowest loss: 3 with embedding 2, 4 with embedding 32."
    unfinished = context_effect(grid({2: FLAT[:2]}))
    assert unfinished[0] == "From the lowest, going back to context 1 would cost 0.20.", "there is no smaller embedding"
    assert not any("smallest context" in said for said in unfinished), "not before every context size is there"
    assert len(context_effect(grid({2: FLAT[:1]}))) == 1, "nothing to go back to"


def test_learned_by_heart_is_said_where_validation_turns_and_train_does_not() -> None:
    said = "with embedding 32, context 8 instead of 4 raises validation by 0.05 while train falls by 0.20."
    assert by_heart(grid({2: FLAT, 32: TURNS})) == f"Memorised: {said}"
    gap = "The widest gap between train and validation is 0.20: Context 1, embedding 2."
    assert by_heart(grid({2: FLAT})) == gap, "a rise of 0.001 is none"
    assert by_heart(grid({2: [(2.0, 2.2), (2.1, 2.28)]})) == gap, "both rise"


def test_the_largest_model_is_placed() -> None:
    columns = ["architecture", "name", "parameters", "train_loss", "val_loss"]
    rows = [("A", "A, its preset", 10, 2.0, 2.1), ("B", "B, its preset", 30, 1.8, 2.2)]
    assert size_effect(pd.DataFrame(rows, columns=columns)) == [
        "B has the most parameters, 30, and is number 2 of 2 by validation loss.",
        "The widest gap between train and validation is 0.40: B, its preset.",
    ]
