"""What is recorded of a batch: as the service records, and withdrawn when nobody was given it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batches import DOMAIN, Run, place, recorded, run, spoilt, store
from conftest import Trained, point, release, serve
from seams import PARCELS, binary, parcels

from mlprod.batch.output import ScoringError
from mlprod.records.store import Store
from mlprod.serving.exploration import Exploration
from mlprod.settings import Settings
from mlprod.training.registry import Registry

__all__ = ["place", "run", "store"]


OF_THE_RUN = (
    "at",
    "answer_id",
    "caller",
    "request",
)  # what a record of a batch and one of a request must not share


def test_a_batch_is_recorded_word_for_word_as_the_service_records(
    run: Run,
    store: Store,
    place: Path,
    trained: Trained,
    new_settings: Callable[[], Settings],
    settings: Settings,
) -> None:
    table = parcels(60, seed=4)
    done = run(table)
    assert (done.rows, done.new, done.mode, done.refused) == (60, 60, "assist", {})
    mine = recorded(store)

    requested = new_settings().model_copy(
        update={"event_log_dir": settings.event_log_dir}
    )  # the same secret, another database
    point(requested.models, trained.bundle, done.version)
    rows = [
        {name: row[name] for name in PARCELS.fields.names}
        | {"id": row["parcel"], "unit": row["customer"]}
        for row in table.to_pylist()
    ]
    with serve(binary, requested) as client:
        client.post("/v1/predict", json={"rows": rows}).raise_for_status()
    theirs = recorded(Store(requested.records_url))

    assert set(mine) == set(theirs) == set(table["parcel"].to_pylist())
    for id, row in mine.items():
        assert row["score"] == pytest.approx(theirs[id]["score"], abs=1e-7)
        same = row.keys() - {"score", *OF_THE_RUN}
        assert {name: row[name] for name in same} == {name: theirs[id][name] for name in same}
        assert not [name for name in OF_THE_RUN if row[name] == theirs[id][name]], (
            "they say who asked, and when"
        )
    result = pq.read_table(place).to_pylist()
    assert {row["parcel"]: row["decision"] for row in result} == {
        id: row["decision"] for id, row in mine.items()
    }
    assert {(row["model_version"], row["arm"], row["mode"]) for row in result} == {
        (str(done.version), "champion", "assist")
    }


def test_a_row_of_a_batch_is_a_case_whatever_its_id(run: Run, store: Store) -> None:
    table = parcels(20)
    ids = pa.array(["smoke-1", *table["parcel"].to_pylist()[1:]])
    run(table.set_column(table.schema.get_field_index("parcel"), "parcel", ids))
    assert recorded(store)["smoke-1"]["smoke"] is False


def test_the_same_again_is_recorded_once(run: Run, store: Store) -> None:
    assert run(parcels(2_100).slice(0, 2_000)).new == 2_000
    before = recorded(store)
    assert run(parcels(2_100)).new == 100
    assert before.items() <= recorded(store).items()


def test_in_shadow_decisions_are_recorded_and_not_given(
    run: Run, store: Store, place: Path
) -> None:
    store.set_mode("shadow", "you", "a stop")
    run(parcels(100))
    assert pq.read_table(place)["decision"].null_count == 100
    assert pq.read_table(place)["score"].null_count == 0
    assert {row["decision"] for row in recorded(store).values()} == {"call", "leave"}


def test_a_stop_while_it_runs_keeps_the_decisions_back_and_takes_them_out_of_the_records(
    run: Run, store: Store, settings: Settings, place: Path
) -> None:
    class Stopped(Store):
        def record(self, event: bytes) -> Any:
            if self.mode() is None:
                self.set_mode("shadow", "you", "complaints since noon")
            return super().record(event)

    run(parcels(700).slice(0, 20))
    place.unlink()
    known = recorded(store)
    with pytest.raises(ScoringError, match="the mode was assist at first and is shadow now"):
        run(parcels(700), store=Stopped(settings.records_url))
    assert not place.exists()
    assert recorded(store) == known, "nobody was given the others"


def test_a_case_that_is_known_gets_the_answer_that_was_recorded(
    run: Run, store: Store, place: Path, registry: Registry, trained_baseline: Trained
) -> None:
    run(parcels(120).slice(0, 100))
    first = pq.read_table(place)
    release(registry, trained_baseline.bundle, "baseline")
    run(parcels(120))
    again = pq.read_table(place)
    assert again.slice(0, 100).equals(first), "another champion changes no answer that was given"
    assert set(again.slice(100)["model_version"].to_pylist()) == {"2"}
    assert {row["id"]: row["score"] for row in recorded(store).values()} == dict(
        zip(again["parcel"].to_pylist(), again["score"].to_pylist(), strict=True)
    )


def test_a_known_id_with_another_row_has_no_answer_and_leaves_the_record_as_it_is(
    run: Run, store: Store, place: Path
) -> None:
    run(parcels(1_000))
    before = recorded(store)
    done = run(spoilt(parcels(1_000), 3, weight=29.0))
    assert (done.new, done.refused) == (0, {"parcel: was answered before for another row": 3})
    result = pq.read_table(place).to_pylist()
    assert [row["refused"] for row in result[:4]] == [
        "parcel: was answered before for another row"
    ] * 3 + [None]
    assert [row["score"] for row in result[:4]] == [None] * 3 + [before["p00003"]["score"]]
    assert {row["decision"] for row in result[:3]} | {row["at"] for row in result[:3]} == {None}
    assert recorded(store) == before


def test_many_known_ids_with_other_rows_stop_it(run: Run, store: Store, place: Path) -> None:
    run(parcels(1_000))
    place.unlink()
    before = recorded(store)
    with pytest.raises(
        ScoringError, match=r"more than 1% of 1,100 rows .* put the date into the id"
    ):
        run(parcels(1_100))
    assert not place.exists()
    assert recorded(store) == before


def test_who_ran_it_and_the_run_are_recorded_with_each_answer(run: Run, store: Store) -> None:
    run(parcels(700))
    rows = recorded(store).values()
    assert {(row["caller"], row["smoke"]) for row in rows} == {("you", False)}
    (request,) = {row["request"] for row in rows}
    assert request.startswith("batch-")
    assert len({row["answer_id"] for row in rows}) == 700


def test_what_was_withheld_at_first_is_not_given_later_as_if_it_had_been(
    run: Run, store: Store, place: Path
) -> None:
    store.set_mode("shadow", "you", "a stop")
    run(parcels(80).slice(0, 50))
    store.set_mode("assist", "you", "all is well")
    run(parcels(80))
    result = pq.read_table(place).to_pylist()
    given = [(row["decision"] is not None, row["mode"]) for row in result]
    assert given == [(False, "shadow")] * 50 + [(True, "assist")] * 30
    store.set_mode("shadow", "you", "a stop")
    run(parcels(80))
    assert pq.read_table(place)["decision"].null_count == 80


def test_a_file_that_cannot_be_written_in_the_end_leaves_no_record(
    run: Run, store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ScoringError, match="No space left"):
        run(parcels(100))
    assert recorded(store) == {}
    assert list(place.parent.iterdir()) == []


def test_a_trial_records_nothing_and_gives_no_decision(run: Run, store: Store, place: Path) -> None:
    assert run(parcels(100), store=None).mode == "trial"
    assert recorded(store) == {}
    assert pq.read_table(place)["decision"].null_count == 100


def test_the_explored_share_is_the_one_that_the_service_lets_through(
    run: Run,
    store: Store,
    place: Path,
    settings: Settings,
    trained: Trained,
    new_settings: Callable[[], Settings],
) -> None:
    table, let = parcels(600), Exploration("leave", 0.2)
    run(table, domain=replace(DOMAIN, explored=let))
    salt = (settings.spooled / "salt").read_bytes()
    result = pq.read_table(place).to_pylist()
    explored = {row["parcel"] for row in result if row["arm"] == "explored"}
    assert 10 < len(explored) < 120
    assert all(let.takes(id, salt) for id in explored)
    assert {row["decision"] for row in result if row["arm"] == "explored"} == {"leave"}
    assert {id for id, row in recorded(store).items() if row["arm"] == "explored"} == explored
