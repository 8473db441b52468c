"""On Runs: what takes room and what a visitor can give back; runs as a file, out and in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunStore
from mmcore.cost import amount
from mmcore.store import PARTS, RunFilter
from tests.app.conftest import Open, texts
from ui import visitor
from ui.runs import transfer


@pytest.fixture
def mine(store: RunStore, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The finished run, and one that is the visitor's, like it."""
    store.export_runs([finished.id], tmp_path / "one.sqlite")
    monkeypatch.setattr(visitor, "identity", lambda: "me")
    store.delete(finished.id)
    store.empty_bin()
    store.import_runs(tmp_path / "one.sqlite", owner="me")
    return store.run(finished.id)


def details() -> AppTest:
    """What the dialog shows: without its frame, which closes at the second click here, as the whole page runs."""

    def script() -> None:
        from ui.runs import size

        size.draw_details()

    return AppTest.from_function(script, default_timeout=20).run()


def import_form() -> AppTest:
    """The same of the other dialog."""

    def script() -> None:
        from ui.runs import transfer

        transfer.draw_import()

    return AppTest.from_function(script, default_timeout=20).run()


def upload(app: AppTest, content: bytes, name: str = "runs.sqlite") -> AppTest:
    app.file_uploader(key="runs_file").set_value((name, content, "application/octet-stream")).run()
    return press(app, "do_import")


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def test_the_store_s_size_is_that_of_its_files(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("runs")
    (line,) = [caption.value for caption in app.caption if caption.value.startswith("The store takes")]
    assert line.startswith(f"The store takes {amount(store.file_bytes() or 0)}; ")
    assert line.endswith("B are left on the disk.") or line.endswith("bytes are left on the disk.")


def test_the_parts_are_those_of_the_store(finished: Run, store: RunStore, open_page: Open) -> None:
    app = press(open_page("runs"), "store_size")
    parts, largest = (table.value for table in app.dataframe[-2:])
    size = store.size()
    expected = {PARTS[part]: amount(count) for part, count in asdict(size).items() if count}
    found = dict(zip(parts["What"], parts["Size"], strict=True))
    for part in ("Weights", "Training states", "Checkpoints along the way", "Curves", "Samples", "Corpora"):
        assert found[part] == expected[part]
    assert parts["Share"].iloc[:-1].sum() == pytest.approx(1) and parts["What"].iloc[-1] == "In all"
    assert list(largest["Id"]) == [finished.id] and largest["Size"][0] == amount(store.stored()[finished.id])


def test_a_visitor_drops_checkpoints_of_their_own(mine: Run, store: RunStore) -> None:
    other = store.create(mine.config, owner="other")
    app = details()
    assert "None of your runs has more." in texts(app) and app.button(key="drop_checkpoints").disabled
    app.number_input(key="keep_mb").set_value(0.0).run()
    count, freed = store.collect([mine.id], limit=0, dry_run=True)
    assert count > 10 and f"{amount(freed)} would be free." in texts(app)
    button = app.button(key="drop_checkpoints")
    assert button.label == f"Drop {count} checkpoints" and store.checkpoints(mine.id), "said before it is done"
    press(app, "drop_checkpoints")
    assert store.checkpoints(mine.id) == [] and store.weights(mine.id) and store.run(other.id)


def test_nobody_drops_the_checkpoints_of_others(
    finished: Run, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = details()
    app.number_input(key="keep_mb").set_value(0.0).run()
    assert "None of your runs has more." in texts(app) and app.button(key="drop_checkpoints").disabled
    assert store.checkpoints(finished.id)


def test_compacting_gives_back_what_is_free(mine: Run, store: RunStore) -> None:
    store.compact()
    store.collect([mine.id], limit=0)
    free = store.size().free
    assert free > 0
    app = details()
    assert f"Compacting gives {amount(free)} back to the disk." in texts(app)
    press(app, "compact")
    assert store.size().free == 0 and app.button(key="compact").disabled


def test_the_run_that_is_shown_and_all_of_the_list_are_exported(
    finished: Run, store: RunStore, open_page: Open, tmp_path: Path
) -> None:
    second = store.create(finished.config, name="second")
    app = press(open_page("runs", run=finished.id), "export_runs")
    labels = [button.proto.label for button in app.get("download_button")][-2:]
    size = amount(store.stored()[finished.id])
    assert labels == [f"This run ({size} in the store)", f"All 2 runs of the list ({size} in the store)"]
    (tmp_path / "out.sqlite").write_bytes(transfer.packed(store, [finished.id, second.id, "gone"]))
    other = RunStore(str(tmp_path / "other.sqlite"))
    assert set(other.import_runs(tmp_path / "out.sqlite").imported) == {finished.id, second.id}


def test_what_is_too_large_for_an_upload_is_not_offered(
    finished: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_MB", 0)
    app = press(open_page("runs"), "export_runs")
    button = app.get("download_button")[-1].proto
    assert button.disabled and "runs pack" in button.help


def test_a_file_is_imported_and_its_run_is_the_visitors(
    finished: Run, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "identity", lambda: "me")
    content = transfer.packed(store, [finished.id])
    store.delete(finished.id)
    store.empty_bin()
    app = import_form()
    assert app.button(key="do_import").disabled
    upload(app, content)
    assert "Imported 1 of 1 run." in [box.value for box in app.success]
    assert [run.id for run in store.runs(RunFilter(owner="me"))] == [finished.id]
    press(app, "show_imported")
    assert app.query_params["run"] == finished.id


def test_a_second_import_says_why_nothing_came(finished: Run, store: RunStore) -> None:
    content = transfer.packed(store, [finished.id])
    app = import_form()
    upload(app, content)
    assert "Imported 0 of 1 run." in [box.value for box in app.warning]
    assert app.dataframe[-1].value.to_numpy().tolist() == [[finished.id, "it is in the store already"]]


def test_a_broken_file_is_refused_in_a_sentence(finished: Run, store: RunStore) -> None:
    app = import_form()
    upload(app, b"emma\n")
    assert "file must be a file of runs" in app.error[0].value and not app.exception
    assert store.count() == 1


def test_a_file_that_went_round_the_browsers_limit_is_refused(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_MB", 1)
    with pytest.raises(ValueError, match=r"file must be at most 1 MB, got '1.05 MB'"):
        transfer.unpacked(store, bytes(2**20 + 1), "me")


def test_weights_are_imported_as_a_run_or_refused_with_the_reason(mine: Run, store: RunStore) -> None:
    content = store.weights(mine.id) or b""
    app = upload(import_form(), content[:-1], "Model.SAFETENSORS")
    refused = app.error[0].value.replace("\\", "")
    assert refused.startswith("weights file must be a whole .safetensors file") and store.count() == 1
    app = upload(import_form(), content, "model.safetensors")
    assert app.success[0].value == "Imported 1 of 1 run."
    (added,) = (run for run in store.runs() if run.id != mine.id)
    assert (added.owner, added.config, added.step) == ("me", mine.config, mine.step)
    assert added.losses == pytest.approx(mine.losses)
