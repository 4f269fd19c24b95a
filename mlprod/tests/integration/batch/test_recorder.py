"""Records of a batch: like those of the service, and deleted if nobody received the output."""

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


# columns that must differ between a record of a batch and one of a request
OF_THE_RUN = ("at", "answer_id", "caller", "request")


def test_batch_is_recorded_like_a_request_of_the_service(
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

    # the same salt, another database
    other = new_settings().model_copy(update={"event_log_dir": settings.event_log_dir})
    point(other.models, trained.bundle, done.version)
    rows = [
        {name: row[name] for name in PARCELS.fields.names}
        | {"id": row["parcel"], "unit": row["customer"]}
        for row in table.to_pylist()
    ]
    with serve(binary, other) as client:
        client.post("/v1/predict", json={"rows": rows}).raise_for_status()
    theirs = recorded(Store(other.records_url))

    assert set(mine) == set(theirs) == set(table["parcel"].to_pylist())
    for id, row in mine.items():
        assert row["score"] == pytest.approx(theirs[id]["score"], abs=1e-7)
        same = row.keys() - {"score", *OF_THE_RUN}
        assert {name: row[name] for name in same} == {name: theirs[id][name] for name in same}
        assert not [name for name in OF_THE_RUN if row[name] == theirs[id][name]], (
            "these columns identify the sender and the time"
        )
    result = pq.read_table(place).to_pylist()
    assert {row["parcel"]: row["decision"] for row in result} == {
        id: row["decision"] for id, row in mine.items()
    }
    assert {(row["model_version"], row["arm"], row["mode"]) for row in result} == {
        (str(done.version), "champion", "assist")
    }


def test_row_of_a_batch_is_a_case_even_with_a_smoke_id(run: Run, store: Store) -> None:
    table = parcels(20)
    ids = pa.array(["smoke-1", *table["parcel"].to_pylist()[1:]])
    run(table.set_column(table.schema.get_field_index("parcel"), "parcel", ids))
    assert recorded(store)["smoke-1"]["smoke"] is False


def test_repeated_rows_are_recorded_once(run: Run, store: Store) -> None:
    assert run(parcels(2_100).slice(0, 2_000)).new == 2_000
    before = recorded(store)
    assert run(parcels(2_100)).new == 100
    assert before.items() <= recorded(store).items()


def test_shadow_records_decisions_and_withholds_them(run: Run, store: Store, place: Path) -> None:
    store.set_mode("shadow", "you", "a stop")
    run(parcels(100))
    assert pq.read_table(place)["decision"].null_count == 100
    assert pq.read_table(place)["score"].null_count == 0
    assert {row["decision"] for row in recorded(store).values()} == {"call", "leave"}


def test_kill_switch_during_a_run_discards_output_and_records(
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
    with pytest.raises(ScoringError, match="the mode changed from assist to shadow during the run"):
        run(parcels(700), store=Stopped(settings.records_url))
    assert not place.exists()
    assert recorded(store) == known, "nobody received the others"


def test_known_case_gets_its_recorded_answer(
    run: Run, store: Store, place: Path, registry: Registry, trained_baseline: Trained
) -> None:
    run(parcels(120).slice(0, 100))
    first = pq.read_table(place)
    release(registry, trained_baseline.bundle, "baseline")
    run(parcels(120))
    again = pq.read_table(place)
    assert again.slice(0, 100).equals(first), "another champion does not change a recorded answer"
    assert set(again.slice(100)["model_version"].to_pylist()) == {"2"}
    assert {row["id"]: row["score"] for row in recorded(store).values()} == dict(
        zip(again["parcel"].to_pylist(), again["score"].to_pylist(), strict=True)
    )


def test_known_id_with_another_row_has_no_answer_and_the_record_stays(
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


def test_many_known_ids_with_other_rows_stop_the_run(run: Run, store: Store, place: Path) -> None:
    run(parcels(1_000))
    place.unlink()
    before = recorded(store)
    with pytest.raises(
        ScoringError, match=r"more than 1% of 1,100 rows .* put the date into the id"
    ):
        run(parcels(1_100))
    assert not place.exists()
    assert recorded(store) == before


def test_caller_and_run_are_recorded_with_each_answer(run: Run, store: Store) -> None:
    run(parcels(700))
    rows = recorded(store).values()
    assert {(row["caller"], row["smoke"]) for row in rows} == {("you", False)}
    (request,) = {row["request"] for row in rows}
    assert request.startswith("batch-")
    assert len({row["answer_id"] for row in rows}) == 700


def test_withheld_decision_is_not_released_by_a_later_run(
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


def test_failed_write_of_the_file_leaves_no_record(
    run: Run, store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(ScoringError, match="No space left"):
        run(parcels(100))
    assert recorded(store) == {}
    assert list(place.parent.iterdir()) == []


def test_dry_run_records_nothing_and_has_no_decisions(run: Run, store: Store, place: Path) -> None:
    assert run(parcels(100), store=None).mode == "trial"
    assert recorded(store) == {}
    assert pq.read_table(place)["decision"].null_count == 100


def test_explored_share_equals_the_one_of_the_service(
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
    assert all(let.includes(id, salt) for id in explored)
    assert {row["decision"] for row in result if row["arm"] == "explored"} == {"leave"}
    assert {id for id, row in recorded(store).items() if row["arm"] == "explored"} == explored
