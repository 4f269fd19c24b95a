"""Dates and datetimes from the rows to drift, by every way in."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pytest
from batches import recorded
from conftest import Client, point, serve, silent
from seams import CLAIM, CLAIMS, claims, dated, given

from mlprod.batch.job import score
from mlprod.batch.scorer import Scorer
from mlprod.batch.selection import ScoringFunctions, ScoringInput
from mlprod.bundle.loader import Bundle, open_bundle
from mlprod.contract.encoding import column, json_value, sample_columns
from mlprod.contract.schema import Columns
from mlprod.files.columns import columns_to_score
from mlprod.files.read import read_table
from mlprod.monitoring.drift import compare_distributions
from mlprod.monitoring.drift_counts import count_features, sum_counts
from mlprod.monitoring.drift_report import drift_page
from mlprod.monitoring.drift_text import DriftReportHeader
from mlprod.monitoring.scored_rows import read_scored_rows
from mlprod.records.database import now
from mlprod.records.store import Store
from mlprod.serving.request_models import MAX_ROWS, validator_of
from mlprod.settings import Settings
from mlprod.training.dataset import collect
from mlprod.training.feature_check import bound_rows
from mlprod.training.promotion import promote
from mlprod.training.registry import Registry
from mlprod.training.train import train

FIELDS = CLAIMS.fields


@pytest.fixture(scope="module")
def trained_settings(new_settings: Callable[[], Settings]) -> Settings:
    """Settings of a registry in which the model of the claims is the champion."""
    settings = new_settings()
    version = train(dated, settings, silent).version
    promote(Registry(settings), "you", "a test", version.number)
    return settings


@pytest.fixture(scope="module")
def folder(trained_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the champion, in a folder named by its digest."""
    registry = Registry(trained_settings)
    version = registry.version(1)
    place = tmp_path_factory.mktemp("claims")
    return registry.download(version, place).rename(place / version.digest)


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return open_bundle(folder, FIELDS, dated.baseline)


@pytest.fixture
def client(folder: Path, settings: Settings) -> Iterator[Client]:
    point(settings.models, folder, 1)
    with serve(dated, settings) as result:
        yield result


def random_columns(rows: int) -> Columns:
    """Random rows of the contract with fractions of a second, after its bounds and gaps."""
    columns = {name: values.copy() for name, values in sample_columns(FIELDS, rows, seed=8).items()}
    fractions = np.random.Generator(np.random.Philox(8)).integers(0, 1_000_000, rows)
    microseconds = (columns["reported"] * 1e6).astype(np.int64) - fractions
    bounds = FIELDS["reported"].bounds
    assert bounds
    columns["reported"] = np.maximum(microseconds / 1e6, bounds[0])
    edges = bound_rows(FIELDS)
    return {name: np.concatenate([edges[name], values]) for name, values in columns.items()}


def as_json(columns: Columns) -> list[dict[str, Any]]:
    names, lists = list(columns), [columns[field.name].tolist() for field in FIELDS]
    return [
        {name: json_value(FIELDS[name], value) for name, value in zip(names, row, strict=True)}
        for row in zip(*lists, strict=True)
    ]


def test_every_way_in_gives_the_scores_of_training(
    bundle: Bundle, folder: Path, tmp_path: Path
) -> None:
    columns = random_columns(100_000)
    rows, validate = as_json(columns), validator_of(CLAIMS)
    expected = bundle.runtime.score(columns)
    validated = [
        row.__dict__
        for start in range(0, len(rows), MAX_ROWS)
        for row in validate(json.dumps({"rows": rows[start : start + MAX_ROWS]}).encode()).rows
    ]
    _, service = bundle.score_rows(validated)
    np.testing.assert_array_equal(service, expected)

    few = validated[:3_000]
    table = pa.table({name: [row[name] for row in few] for name in FIELDS.names}).append_column(
        "claim", [[f"c{row}" for row in range(len(few))]]
    )
    scorer = Scorer(folder, folder.name, CLAIMS, dated.baseline, dated.decide)
    texts = pa.Table.from_pylist(
        [row | {"claim": f"c{place}"} for place, row in enumerate(rows[:3_000])]
    )
    frame = table.to_pandas()
    frame.to_csv(tmp_path / "claims.csv", index=False)
    csv = read_table(tmp_path / "claims.csv", columns_to_score(CLAIMS), tmp_path).table
    for rows_in in (
        table,
        texts,
        pa.Table.from_pandas(frame, preserve_index=False),
        csv.to_pyarrow(),
    ):
        scored = pa.Table.from_batches(scorer(rows_in.combine_chunks().to_batches()))
        assert scored["refused"].null_count == len(few)
        np.testing.assert_array_equal(np.asarray(scored["score"]), expected[:3_000])


BROKEN = {
    "happened": [
        ("2026-02-30", "not a day of the calendar"),
        ("28.02.2026", "not a date such as 2026-06-01"),
        ("2026-02-28T12:00:00Z", "not a date such as 2026-06-01"),
        ("1772236800", "not a date such as 2026-06-01"),
        (1772236800, "a text such as 2026-06-01"),
        ("2019-12-31", "not be before 2020-01-01"),
        ("2031-01-01", "not be after 2030-12-31"),
        (None, "a text such as 2026-06-01"),
    ],
    "reported": [
        ("2026-02-28", "not a datetime such as 2026-06-01T12:30:00Z"),
        ("2026-02-28T25:00:00Z", "not a datetime such as"),
        ("9999-12-31T23:59:59-12:00", "not a day of the calendar"),
        ("2020-01-01T00:59:59+01:00", "not be before 2020-01-01T00:00:00Z"),
        ("2030-12-31T23:59:00.000001Z", "not be after 2030-12-31T23:59:00Z"),
        (1772236800.5, "a text such as 2026-06-01T12:30:00Z"),
    ],
}


@pytest.mark.parametrize(
    ("field", "given", "rule"),
    [(name, value, rule) for name, cases in BROKEN.items() for value, rule in cases],
)
def test_a_date_that_breaks_the_contract_is_named_with_an_example_that_works(
    client: Client, field: str, given: Any, rule: str
) -> None:
    refused = client.post("/v1/predict", json={"rows": [CLAIM | {field: given}]})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["field"], error["given"]) == (field, repr(given))
    assert rule in error["rule"]
    assert client.post("/v1/predict", json={"rows": [CLAIM | {field: error["example"]}]}).is_success


def test_a_personal_date_is_not_repeated(client: Client) -> None:
    refused = client.post("/v1/predict", json={"rows": [CLAIM | {"born": "1999-99-17"}]})
    assert refused.json()["errors"][0]["given"] is None
    assert "99-17" not in refused.text


def test_documentation_names_the_formats_and_its_example_works(client: Client) -> None:
    documented = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]["requestBody"]
    schema = documented["content"]["application/json"]["schema"]
    fields = schema["properties"]["rows"]["items"]["properties"]
    assert (fields["happened"]["type"], fields["happened"]["format"]) == ("string", "date")
    assert fields["happened"]["description"].endswith("(date from 2020-01-01 to 2030-12-31)")
    assert fields["called"]["anyOf"][0]["format"] == "date-time"
    assert client.post("/v1/predict", json=schema["example"]).is_success


def test_time_zones_of_the_same_moment_give_the_same_answer_and_one_record(
    client: Client, settings: Settings
) -> None:
    texts = ["2026-03-01T22:30:00Z", "2026-03-01T23:30:00+01:00", "2026-03-01 22:30"]
    bodies = [{"rows": [CLAIM | {"reported": text, "id": "one case"}]} for text in texts]
    answers = [client.post("/v1/predict", json=body).json()["predictions"][0] for body in bodies]
    assert {answer["score"] for answer in answers} == {answers[0]["score"]}
    other = {"rows": [CLAIM | {"reported": "2026-03-01T22:30:01Z", "id": "one case"}]}
    assert client.post("/v1/predict", json=other).status_code == 409


def test_explanation_shows_dates(client: Client) -> None:
    (answer,) = client.post("/v1/explain", json={"rows": [CLAIM]}).json()["explanations"]
    shown = {item["field"]: (item["given"], item["typical"]) for item in answer["fields"]}
    assert shown["happened"][0] == "2026-02-28"
    assert shown["reported"][0] == "2026-03-01T22:30:00Z"
    assert shown["called"][0] is None
    assert {len(typical) for _, typical in (shown["happened"], shown["born"])} == {10}
    assert shown["called"][1].endswith("Z")


def test_batch_and_service_record_the_same_row_and_drift_is_drawn_with_dates(
    trained_settings: Settings, folder: Path, bundle: Bundle, settings: Settings, tmp_path: Path
) -> None:
    table = claims(300, seed=5)
    functions = ScoringFunctions(CLAIMS, dated.load, dated.baseline, dated.decide)
    store = Store(trained_settings.records_url)
    source = ScoringInput(ibis.memtable(table), "june", "june")
    to = str(tmp_path / "scores.parquet")
    done = score(functions, trained_settings, source, to, store, "you")
    assert (done.rows, done.new, done.refused) == (300, 300, {})

    point(settings.models, folder, 1)
    columns = {field.name: column(field, table[field.name].to_pylist()) for field in FIELDS}
    ids = table["claim"].to_pylist()
    with serve(dated, settings) as client:
        rows = [row | {"id": id} for row, id in zip(as_json(columns), ids, strict=True)]
        client.post("/v1/predict", json={"rows": rows}).raise_for_status()
    theirs = recorded(Store(settings.records_url))
    mine = recorded(store)
    assert {id: row["row"] for id, row in mine.items()} == {
        id: row["row"] for id, row in theirs.items()
    }
    assert mine[ids[0]]["row"]["happened"] == table["happened"][0].as_py().isoformat()

    tables = read_scored_rows(store, FIELDS, bundle.digest, now().replace(year=2000), now())
    counts = sum_counts(
        count_features(part, FIELDS, bundle.reference, CLAIMS.personal) for part in tables
    )
    same = count_features(source.table, FIELDS, bundle.reference, CLAIMS.personal)
    assert {name: counts[name] for name in same} == same
    later = source.table.mutate(happened=lambda t: t.happened + ibis.interval(days=400))
    drifts = compare_distributions(
        bundle.reference, count_features(later, FIELDS, bundle.reference, CLAIMS.personal)
    )
    assert drifts[0].name == "happened"
    page = drift_page(
        DriftReportHeader("claims", "a table", 300, "1", bundle.digest, "today"), drifts
    )
    edge = bundle.reference.fields["happened"].edges[-1]
    last = np.datetime64("1970-01-01") + np.timedelta64(int(edge), "D")
    assert f"after {last}" in page
    assert "or before; now it is" in page


def test_without_features_a_date_is_an_input_and_training_warns(settings: Settings) -> None:
    lines: list[str] = []
    seam = replace(dated, derive=None, sources={}, load=given(claims(800)))
    train(seam, settings, lines.append, kind="model")
    warned = [line for line in lines if "is an input as it is" in line]
    assert [line.split()[2] for line in warned] == ["happened", "reported", "born", "called"]
    assert "days since 1970" in warned[0]
    assert "float32 holds to two minutes" in warned[1]
    lines.clear()
    train(replace(dated, load=given(claims(800))), settings, lines.append, kind="model")
    assert not [line for line in lines if "is an input as it is" in line]


def test_a_violation_in_a_table_shows_date_row_and_remedy(settings: Settings) -> None:
    rows = claims(800).to_pylist()
    for row in rows:
        row["reported"] = row["reported"].isoformat()
        row["happened"] = row["happened"].isoformat()
    rows[0]["happened"], rows[1]["happened"], rows[2]["reported"] = (
        "2026-02-30",
        "2031-01-01",
        "2026-01-01",
    )
    seam = replace(dated, load=given(pa.Table.from_pylist(rows)))
    with pytest.raises(Exception, match="3 rules broken") as refused:
        train(seam, settings, silent)
    text = str(refused.value)
    assert "not a date such as 2026-06-01: 1 row, for example '2026-02-30' in row 'c00000'" in text
    assert "happened: after 2030-12-31: 1 row, for example 2031-01-01 in row 'c00001'" in text
    assert "reported: not a datetime such as 2026-06-01T12:30:00Z: 1 row" in text
    assert "in UTC or with a time zone such as +02:00" in text


def test_a_parquet_file_with_time_zones_has_the_same_rows(tmp_path: Path) -> None:
    table = claims(50)
    there = pa.array(table["reported"].to_pylist(), pa.timestamp("us", "Asia/Tokyo"))
    path = tmp_path / "claims.parquet"
    engine = duckdb.connect()
    engine.register("claims", table.set_column(4, "reported", there))
    engine.sql(f"COPY claims TO '{path}' (FORMAT parquet)")
    source = read_table(path, columns_to_score(CLAIMS), tmp_path).table
    rows = collect(source, CLAIMS).columns
    expected = collect(ibis.memtable(table), CLAIMS).columns
    for name in FIELDS.names:
        np.testing.assert_array_equal(rows[name], expected[name])
