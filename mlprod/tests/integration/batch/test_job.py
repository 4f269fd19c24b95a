import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from conftest import Trained, point, release, serve
from fixture_project import main
from seams import PARCELS, binary, parcels
from sqlalchemy import select

from mlprod.batch import selection
from mlprod.batch.job import Scored, score
from mlprod.batch.output import NotScored, target
from mlprod.batch.selection import Chosen, Domain, chosen
from mlprod.contract.validation import ContractViolated
from mlprod.files.errors import FileError
from mlprod.records.database import now
from mlprod.records.errors import StoreAway
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.serving.api_keys import KeysError
from mlprod.serving.exploration import LetThrough
from mlprod.settings import Settings
from mlprod.training.registry import Registry
from mlprod.training.sources import NoRows

DOMAIN = Domain(binary.terms, binary.load, binary.baseline, binary.decide)
Run = Callable[..., Scored]
OF_THE_RUN = ("at", "answer_id", "caller", "request")  # what a record of a batch and one of a request must not share


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.records_url)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "scores" / "june.parquet"


@pytest.fixture
def run(trained: Trained, registry: Registry, settings: Settings, store: Store, place: Path) -> Run:
    """Score a table with the champion, recorded in this test's database unless it brings another or none."""
    release(registry, trained.bundle)

    def scored(table: pa.Table, domain: Domain = DOMAIN, store: Store | None = store, source: str = "june") -> Scored:
        return score(domain, settings, rows_of(table, source), str(place), store, "you")

    return scored


def rows_of(table: pa.Table, source: str = "june") -> Chosen:
    return Chosen(ibis.memtable(table), "june", source)


def recorded(store: Store) -> dict[str, dict[str, Any]]:
    with store.connected() as connection:
        return {row["id"]: dict(row) for row in connection.execute(select(predictions)).mappings()}


def spoilt(table: pa.Table, rows: int, weight: float = 31.0) -> pa.Table:
    """The same, the first rows of another weight, by default too heavy."""
    given = table.to_pylist()
    for row in given[:rows]:
        row["weight"] = weight
    return pa.Table.from_pylist(given, schema=table.schema)


def test_a_batch_is_recorded_word_for_word_as_the_service_records(
    run: Run, store: Store, place: Path, trained: Trained, new_settings: Callable[[], Settings], settings: Settings
) -> None:
    table = parcels(60, seed=4)
    done = run(table)
    assert (done.rows, done.new, done.mode, done.refused) == (60, 60, "assist", {})
    mine = recorded(store)

    asked = new_settings().model_copy(update={"spool": settings.spool})  # the same secret, another database
    point(asked.models, trained.bundle, done.version)
    rows = [
        {name: row[name] for name in PARCELS.fields.names} | {"id": row["parcel"], "unit": row["customer"]}
        for row in table.to_pylist()
    ]
    with serve(binary, asked) as client:
        client.post("/v1/predict", json={"rows": rows}).raise_for_status()
    theirs = recorded(Store(asked.records_url))

    assert set(mine) == set(theirs) == set(table["parcel"].to_pylist())
    for id, row in mine.items():
        assert row["score"] == pytest.approx(theirs[id]["score"], abs=1e-7)
        same = row.keys() - {"score", *OF_THE_RUN}
        assert {name: row[name] for name in same} == {name: theirs[id][name] for name in same}
        assert not [name for name in OF_THE_RUN if row[name] == theirs[id][name]], "they say who asked, and when"
    found = pq.read_table(place).to_pylist()
    assert {row["parcel"]: row["decision"] for row in found} == {id: row["decision"] for id, row in mine.items()}
    assert {(row["model_version"], row["arm"], row["mode"]) for row in found} == {
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


def test_in_shadow_decisions_are_recorded_and_not_given(run: Run, store: Store, place: Path) -> None:
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
    with pytest.raises(NotScored, match="the mode was assist at first and is shadow now"):
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
    found = pq.read_table(place).to_pylist()
    assert [row["refused"] for row in found[:4]] == ["parcel: was answered before for another row"] * 3 + [None]
    assert [row["score"] for row in found[:4]] == [None] * 3 + [before["p00003"]["score"]]
    assert {row["decision"] for row in found[:3]} | {row["at"] for row in found[:3]} == {None}
    assert recorded(store) == before


def test_many_known_ids_with_other_rows_stop_it(run: Run, store: Store, place: Path) -> None:
    run(parcels(1_000))
    place.unlink()
    before = recorded(store)
    with pytest.raises(NotScored, match=r"more than 1% of 1,100 rows .* put the date into the id"):
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


def test_what_was_withheld_at_first_is_not_given_later_as_if_it_had_been(run: Run, store: Store, place: Path) -> None:
    store.set_mode("shadow", "you", "a stop")
    run(parcels(80).slice(0, 50))
    store.set_mode("assist", "you", "all is well")
    run(parcels(80))
    found = pq.read_table(place).to_pylist()
    given = [(row["decision"] is not None, row["mode"]) for row in found]
    assert given == [(False, "shadow")] * 50 + [(True, "assist")] * 30
    store.set_mode("shadow", "you", "a stop")
    run(parcels(80))
    assert pq.read_table(place)["decision"].null_count == 80


def test_an_id_that_stands_twice_names_no_case(run: Run, store: Store, place: Path) -> None:
    with pytest.raises(NotScored, match="parcel stands 3 times again"):
        run(pa.concat_tables([parcels(100), parcels(3)]))
    assert recorded(store) == {}


def test_a_file_that_cannot_be_written_in_the_end_leaves_no_record(
    run: Run, store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(NotScored, match="No space left"):
        run(parcels(100))
    assert recorded(store) == {}
    assert list(place.parent.iterdir()) == []


def test_a_trial_records_nothing_and_gives_no_decision(run: Run, store: Store, place: Path) -> None:
    assert run(parcels(100), store=None).mode == "trial"
    assert recorded(store) == {}
    assert pq.read_table(place)["decision"].null_count == 100


def test_the_explored_share_is_the_one_that_the_service_lets_through(
    run: Run, store: Store, place: Path, settings: Settings, trained: Trained, new_settings: Callable[[], Settings]
) -> None:
    table, let = parcels(600), LetThrough("leave", 0.2)
    run(table, domain=replace(DOMAIN, explored=let))
    salt = (settings.spooled / "salt").read_bytes()
    found = pq.read_table(place).to_pylist()
    explored = {row["parcel"] for row in found if row["arm"] == "explored"}
    assert 10 < len(explored) < 120
    assert all(let.takes(id, salt) for id in explored)
    assert {row["decision"] for row in found if row["arm"] == "explored"} == {"leave"}
    assert {id for id, row in recorded(store).items() if row["arm"] == "explored"} == explored


def test_a_few_bad_rows_have_no_score_and_are_not_recorded(run: Run, store: Store, place: Path) -> None:
    done = run(spoilt(parcels(1_000), 3))
    assert (done.rows, done.refused, done.new) == (1_000, {"weight: above 30": 3}, 997)
    assert pq.read_table(place)["refused"].to_pylist()[:4] == ["weight: above 30"] * 3 + [None]
    assert "p00000" not in recorded(store)


def test_many_bad_rows_stop_it_before_anything_is_done(run: Run, store: Store, place: Path) -> None:
    with pytest.raises(NotScored, match=r"more than 1% of 1,000 rows break the contract: weight: above 30: 11 rows"):
        run(spoilt(parcels(1_000), 11))
    with pytest.raises(ContractViolated, match="courier: no such column"):
        run(parcels(100).drop_columns(["courier"]))
    with pytest.raises(NotScored, match="there are no rows"):
        run(parcels(100).slice(0, 0))
    assert not place.exists()
    assert recorded(store) == {}


def test_what_a_run_may_replace_are_the_scores_of_the_same_rows(run: Run, place: Path) -> None:
    place.parent.mkdir()
    pq.write_table(parcels(10), place)
    with pytest.raises(NotScored, match="holds no scores of"):
        run(parcels(100))
    assert pq.read_table(place).equals(parcels(10))
    place.unlink()
    run(parcels(200).slice(0, 100))
    run(parcels(200))
    assert len(pq.read_table(place)) == 200
    with pytest.raises(NotScored, match="holds the answers to june"):
        run(parcels(10), source="july")
    with pytest.raises(NotScored, match="holds the answers to june"):
        run(parcels(10), store=None)
    assert len(pq.read_table(place)) == 200


def test_a_database_that_is_away_leaves_the_file_of_before(
    run: Run, place: Path, settings: Settings, tmp_path: Path
) -> None:
    run(parcels(100))
    before = place.read_bytes()
    with pytest.raises(StoreAway):
        run(parcels(100), store=Store(f"sqlite:///{tmp_path / 'without-tables.db'}"))
    assert place.read_bytes() == before
    assert not list(settings.state.glob("scores-*"))


def test_a_place_that_cannot_be_written_to_is_said_before_anything_is_done(
    trained: Trained, registry: Registry, settings: Settings, store: Store, tmp_path: Path
) -> None:
    release(registry, trained.bundle)
    with pytest.raises(NotScored, match=r"nowhere://scores/june.parquet cannot be written to.*s3://bucket"):
        score(DOMAIN, settings, rows_of(parcels(10)), "nowhere://scores/june.parquet", store, "you")
    (tmp_path / "README.md").write_text("not a folder")
    with pytest.raises(NotScored, match="cannot be written to"):
        score(DOMAIN, settings, rows_of(parcels(10)), str(tmp_path / "README.md" / "june.parquet"), store, "you")
    assert recorded(store) == {}


def test_nothing_promoted_is_said(settings: Settings, store: Store, place: Path) -> None:
    with pytest.raises(NotScored, match="nothing was promoted yet"):
        score(DOMAIN, settings, rows_of(parcels(10)), str(place), store, "you")


def test_away_from_a_laptop_it_hides_units_with_the_services_secret(
    run: Run, settings: Settings, store: Store, place: Path
) -> None:
    away = settings.model_copy(update={"environment": "staging"})
    with pytest.raises(KeysError, match="ML_KEYS_FILE is needed"):
        score(DOMAIN, away, rows_of(parcels(10)), str(place), store, "you")
    assert not place.exists()


def test_by_default_it_is_yesterday(tmp_path: Path) -> None:
    asked: list[tuple[datetime | None, datetime | None]] = []

    def load(since: datetime | None = None, until: datetime | None = None) -> Any:
        asked.append((since, until))
        return ibis.memtable(parcels(10))

    domain, today = replace(DOMAIN, load=load), now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert chosen(domain, None, None, None, tmp_path).name == f"{today - timedelta(days=1):%Y-%m-%d}"
    week = chosen(domain, None, datetime(2026, 6, 1), datetime(2026, 6, 3), tmp_path)
    assert week.name == "20260601T0000-20260603T0000"
    timeless = replace(domain, terms=replace(PARCELS, time=None))
    assert chosen(timeless, None, None, None, tmp_path).name == f"{today:%Y-%m-%d}"
    assert asked == [(today - timedelta(days=1), today), (datetime(2026, 6, 1), datetime(2026, 6, 3)), (None, None)]
    with pytest.raises(NoRows, match="all of a file"):
        chosen(domain, "june.parquet", datetime(2026, 6, 1), None, tmp_path)
    with pytest.raises(NoRows, match="names no TIME"):
        chosen(timeless, None, datetime(2026, 6, 1), None, tmp_path)
    with pytest.raises(NoRows, match="is not before"):
        chosen(domain, None, datetime(2026, 6, 2), datetime(2026, 6, 1), tmp_path)


@pytest.mark.parametrize(
    ("to", "meant"),
    [
        ("var/scores", "var/scores/june.parquet"),
        ("out/what.parquet", "out/what.parquet"),
        ("s3://bucket/scores/?scheme=http", "s3://bucket/scores/june.parquet?scheme=http"),
        ("what?/scores", "what?/scores/june.parquet"),
    ],
)
def test_a_place_is_a_file_or_a_folder(to: str, meant: str) -> None:
    assert target(to, "june") == meant


def test_the_verb_scores_a_file_and_says_what_it_did(
    run: Run, settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(selection, "domain_of", lambda _: DOMAIN)
    for name in ("state", "model_name", "database_url", "spool"):
        monkeypatch.setenv(f"ML_{name.upper()}", str(getattr(settings, name)))
    pc.write_csv(spoilt(parcels(500), 2), tmp_path / "june.csv")
    given = ["score", "--table", str(tmp_path / "june.csv"), "--to", str(tmp_path / "out")]
    assert main(given) == 0
    dialect, first, second, third = capsys.readouterr().out.splitlines()
    assert dialect == f"{tmp_path}/june.csv: CSV, UTF-8, commas between cells, decimal point, 500 rows"
    assert first == f"500 rows, version 1, assist: {tmp_path}/out/june.parquet"
    assert second == "2 rows have no score: weight: above 30, for example 31.0 in line 2, 31.0 in line 3"
    assert third == "498 recorded"
    assert main(given) == 0
    assert "0 recorded, 498 were known: given is what was recorded first" in capsys.readouterr().out
    assert len(recorded(store)) == 498
    before = (tmp_path / "out" / "june.parquet").read_bytes()
    assert main([*given, "--trial"]) == 0
    assert "recorded" not in capsys.readouterr().out
    assert (tmp_path / "out" / "june.parquet").read_bytes() == before
    assert (tmp_path / "out" / "june.trial.parquet").exists()
    assert main(["score", "--table", str(tmp_path / "july.csv")]) == 1
    assert "july.csv: no such file" in capsys.readouterr().err


def csv_of(rows: list[dict[str, Any]], path: Path) -> Path:
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    path.write_text("\n".join([",".join(rows[0]), *lines]))
    return path


def test_cells_of_a_csv_are_what_the_contract_says(
    run: Run, store: Store, place: Path, tmp_path: Path, settings: Settings
) -> None:
    rows = parcels(400).to_pylist()
    for number, row in enumerate(rows):
        row |= {"parcel": f"{number:05d}", "stops": f"{row['stops']}.0"}  # as pandas writes whole numbers
    rows[7]["weight"], rows[9]["stops"], rows[11]["distance"] = "1.2 kg", "3.5", "far"
    june = csv_of(rows, tmp_path / "june.csv")
    done = score(DOMAIN, settings, chosen(DOMAIN, str(june), None, None, tmp_path), str(place), store, "you")
    assert done.refused == {"distance: not a number": 1, "stops: not a whole number": 1, "weight: not a number": 1}
    assert any(note.startswith("1 rows have no score: weight: not a number, for example '1.2 kg' in line 9. Works: ")
               for note in done.notes)  # fmt: skip
    assert not any("far" in note for note in done.notes), "distance is personal"
    found = pq.read_table(place)
    assert found["parcel"].to_pylist()[:2] == ["00000", "00001"]
    assert found["refused"].to_pylist()[7] == "weight: not a number"
    assert recorded(store)["00003"]["row"]["stops"] == parcels(400)["stops"].to_pylist()[3]


def test_many_cells_that_cannot_be_read_stop_it_with_line_cell_and_what_works(
    run: Run, store: Store, place: Path, tmp_path: Path, settings: Settings
) -> None:
    rows = parcels(400).to_pylist()
    for row in rows:
        row["weight"] = f"{row['weight']} kg"
    june = csv_of(rows, tmp_path / "june.csv")
    with pytest.raises(NotScored) as refused:
        score(DOMAIN, settings, chosen(DOMAIN, str(june), None, None, tmp_path), str(place), store, "you")
    assert f"weight: not a number: 400 rows, for example '{rows[0]['weight']}' in line 2" in str(refused.value)
    assert "Works: write it as 1234.5" in str(refused.value)
    assert recorded(store) == {}


def test_an_unknown_word_that_looks_like_a_known_one_is_named(run: Run) -> None:
    table = parcels(300)
    words = ["Oslo", "oslo\u00a0", *table["city"].to_pylist()[2:]]
    done = run(table.set_column(table.column_names.index("city"), "city", pa.array(words)))
    assert [note for note in done.notes if "city" in note] == [
        "city: 'Oslo' (other case than 'oslo') looks like a known category and counts as unknown: 1 rows",
        "city: 'oslo\\xa0' (other blanks or invisible signs: 'oslo\\xa0', not 'oslo') looks like a known category and "
        "counts as unknown: 1 rows",
    ]


def test_a_csv_that_breaks_off_is_told_by_its_line_and_not_by_its_content(tmp_path: Path) -> None:
    rows = parcels(30_000).to_pylist()
    june = csv_of(rows, tmp_path / "june.csv")
    lines = june.read_text().splitlines()
    lines[25_001] = "p25000,secret-customer"
    june.write_text("\n".join(lines))
    with pytest.raises(FileError, match=r"line 25002: it has 2 cells, and the first line names 10 columns") as refused:
        chosen(DOMAIN, str(june), None, None, tmp_path)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
def test_scores_are_readable_for_whom_the_umask_lets_them_be(run: Run, place: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        run(parcels(50))
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == mode
