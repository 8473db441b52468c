"""Goals on Lessons: the visitor's runs beside what there is to beat, said in sentences whose numbers are theirs."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import PRESETS, Run, RunConfig, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.frontier import GOALS, NOISE, measured, published, standing
from mmcore.store import Progress, RunState, SavedWeights
from mmcore.training import Step
from tests.app.conftest import Open, texts
from tests.app.elements import figure, numbers
from ui.form.settings import values_of

EXERCISES = 2  # that are open too
BAR = standing(GOALS[0], []).bar


def goals(app: AppTest) -> str:
    """What the page says, the exercises and experiments beside them included."""
    return texts(app).replace("\\", "")


def trained(store: RunStore, config: RunConfig, loss: float, owner: str | None = None) -> Run:
    """A run that has ended with this validation loss, without training it."""
    run_id = store.create(config, owner=owner, name=f"Ends at {loss:g}").id
    token = store.claim(run_id)
    assert token
    step = Step(step=config.train.max_steps, learning_rate=0.1, seconds=0.1, batch_loss=2.0)
    saved = SavedWeights(weights=b"w", losses={"val_loss": loss})
    store.finish(run_id, token, RunState.FINISHED, Progress(points=[step], saved=saved))
    return store.run(run_id)


def small(finished: Run) -> RunConfig:
    return finished.config.replace(model=model_config(embedding_dim=2, hidden_sizes=(10,)))


def test_what_the_visitor_has_reached_is_said(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("lessons")
    said = goals(app)
    assert f"To beat: **{BAR:.4f}** (Bigram, best of 5 seeds)." in said
    loss = finished.losses["val_loss"]
    assert f"Yours: **{loss:.4f}** ({finished.name}; 935 parameters), {loss - BAR:.4f} higher." in said
    assert said.count(":material/pending: Open") == 3 + EXERCISES
    trained(store, small(finished), BAR - NOISE / 2)
    said = goals(app.run())
    assert f"{NOISE / 2:.4f} lower: no more than another seed may change." in said
    assert said.count(":material/pending: Open") == 3 + EXERCISES
    trained(store, small(finished).replace(train=TrainConfig(max_steps=9)), 2.2)
    said = goals(app.run())
    assert (
        f"Yours: **2.2000** (Ends at 2.2; 421 parameters), {BAR - 2.2:.4f} lower: more than another seed may change."
        in said
    )
    assert said.count(":material/check_circle: Reached") == 2, "2.2 also beats the lecture's first model"


def test_runs_of_others_and_presets_as_they_are_reach_nothing(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("lessons")
    trained(store, small(finished), 1.5, owner="someone else")
    bigram = PRESETS["bigram"]
    trained(store, finished.config.replace(model=bigram.model, train=bigram.train), 1.6)
    said = goals(app.run())
    assert "Ends at 1.5" not in said
    assert "To beat: **1.6000** (Bigram, your run)." in said
    assert ":material/check_circle: Reached" not in said
    trained(store, small(finished), 1.4, owner=app.session_state["visitor"])
    assert ":material/check_circle: Reached" in goals(app.run())


def test_the_chart_has_every_point_once(finished: Run, store: RunStore, open_page: Open) -> None:
    trained(store, small(finished), 2.4)
    app = open_page("lessons")
    traces = {trace["name"]: trace for trace in figure(app, 0)["data"]}
    assert list(traces) == ["Presets and records", "Published", "Your other runs", "Your Pareto front"]
    assert len(numbers(traces["Presets and records"]["y"])) == len(measured())
    assert sorted(numbers(traces["Published"]["y"]).tolist()) == sorted(p.val_loss for p in published())
    assert numbers(traces["Your Pareto front"]["y"]).tolist() == [2.4]
    assert figure(app, 0)["layout"]["xaxis"]["type"] == "log"
    assert "1 of them has a higher loss and is not shown." in goals(app)
    app.segmented_control(key="goal_cost").set_value("seconds").run()
    assert "Published" not in {trace["name"] for trace in figure(app, 0)["data"]}, "nobody has published their seconds"
    assert "At most 0.5 seconds" in goals(app)
    app.segmented_control(key="goal_cost").set_value("steps").run()
    assert "Published" in {trace["name"] for trace in figure(app, 0)["data"]}
    assert "Transformer" not in goals(app), "its updates are not known"
    table = next(frame.value for frame in app.dataframe if "Whose" in frame.value)
    assert table["Result"].tolist()[:1] == ["Ends at 2.4"]
    assert len(table) == 1 + len(measured()) + len(published())
    assert not app.exception


@pytest.mark.parametrize("goal", GOALS[:2] + GOALS[5:6], ids=lambda goal: goal.said())
def test_a_goal_that_is_open_leads_to_train_with_something_to_begin_with(
    finished: Run, open_page: Open, goal: object
) -> None:
    chosen = next(known for known in GOALS if known == goal)
    app = open_page("lessons")
    app.segmented_control(key="goal_cost").set_value(chosen.cost).run()
    app.button(key=f"goal_{chosen.cost}_{chosen.limit:g}").click().run()
    assert not app.exception
    assert app.title[0].value == "Run"
    for name, value in values_of(chosen.model, chosen.train).items():
        assert app.session_state[f"form_{name}"] == value, name


def test_without_a_run_every_goal_is_open(open_page: Open) -> None:
    app = open_page("lessons")
    said = goals(app)
    assert said.count("No run of yours is within this limit yet.") == 3
    assert "not shown" not in said
    assert not app.exception
