from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from seams import PARCELS, heaviest_first, parcels

from mlprod.bundle.reference_profile import Reference, build_reference
from mlprod.contract.schema import Field, Fields
from mlprod.files.columns import columns_of_scored
from mlprod.files.read import read_table
from mlprod.monitoring.drift import Drift, compare_distributions
from mlprod.monitoring.drift_counts import (
    SCORE,
    Counts,
    SchemaMismatchError,
    count_features,
    readable_rows,
    sum_counts,
)
from mlprod.training.dataset import collect

HOSTILE = [
    "<script>",
    "Robert'); DROP TABLE x;--",
    'a "quoted" one',
    "emoji 🦉",
    "per%cent_and\\back",
    "",
]
WORDS = Fields((Field("word", "category", categories=tuple(HOSTILE), open=True),))
ONE = Fields((Field("x", "number", optional=True),))


def reference(table: pa.Table) -> Reference:
    columns = collect(ibis.memtable(table), PARCELS).columns
    return build_reference(PARCELS.fields, columns, heaviest_first(columns))


LEARNT = reference(parcels(3_000, seed=0))


def of(values: Iterable[Any]) -> Reference:
    array = np.array(list(values), dtype=np.float64)
    return build_reference(ONE, {"x": array}, array)


def by_name(drifts: list[Drift]) -> dict[str, Drift]:
    return {item.name: item for item in drifts}


def drifted(counts: Counts, learnt: Reference = LEARNT) -> set[str]:
    return {item.name for item in compare_distributions(learnt, counts) if item.verdict == "drifts"}


def normal(rows: int, seed: int, shift: float = 0) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(seed)).normal(shift, 1, rows)


# The counts agree with numpy and with the bundle's own reference profile


def test_counts_agree_with_numpy_to_the_row() -> None:
    table = parcels(5_000, seed=9)
    result = count_features(ibis.memtable(table), PARCELS.fields, LEARNT)
    for name in ("weight", "stops", "express", "distance"):
        values = np.array(table[name].to_pylist(), dtype=np.float64)
        present = values[~np.isnan(values)]
        expected = [int((present <= float(edge)).sum()) for edge in LEARNT.fields[name].edges]
        assert result[name].cumulative == tuple(expected)
        assert (result[name].present, result[name].missing) == (
            len(present),
            len(values) - len(present),
        )
    city = table["city"].to_pylist()
    assert result["city"].cumulative == (
        city.count("bergen"),
        city.count("bergen") + city.count("oslo"),
    )
    unknown = by_name(compare_distributions(LEARNT, result))["city"].unknown
    assert unknown == pytest.approx(city.count("tromso") / len(city))


def test_training_rows_have_no_distance_from_themselves() -> None:
    table = ibis.memtable(parcels(3_000, seed=0)).filter(lambda t: t.late.notnull())
    for item in compare_distributions(LEARNT, count_features(table, PARCELS.fields, LEARNT)):
        assert item.verdict == "steady"
        assert item.gap == pytest.approx(0, abs=1e-8)
        assert item.missing == pytest.approx(item.reference.missing, abs=1e-8)
        assert item.shares == pytest.approx(item.reference.shares, abs=1e-8)


@pytest.mark.parametrize(
    "edge", [0.1, 1 / 3, 5.548000000000001, 1e-300, 123456789.123456789, -0.0, 2**53 + 2.0]
)
def test_a_value_on_an_edge_belongs_to_the_bin_that_ends_there(edge: float) -> None:
    learnt = of([edge])
    assert learnt.fields["x"].edges == (edge,)
    values = [edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf), None]
    result = count_features(
        ibis.memtable(pa.table({"x": pa.array(values, pa.float64())})), ONE, learnt
    )["x"]
    assert (result.cumulative, result.present, result.missing) == ((2,), 3, 1)


def test_nan_is_missing_and_infinities_lie_at_the_ends() -> None:
    values = pa.array([float("nan"), float("inf"), float("-inf"), 0.5])
    result = count_features(ibis.memtable(pa.table({"x": values})), ONE, of([0.0, 1.0]))["x"]
    assert (result.present, result.missing, result.cumulative[0]) == (3, 1, 1)


@pytest.mark.parametrize("kind", [pa.float32(), pa.int16(), pa.uint64(), pa.decimal128(10, 2)])
def test_numbers_may_be_stored_in_any_way(kind: pa.DataType) -> None:
    values = pa.array([0, 1, 1, None]).cast(pa.int8()).cast(kind)
    result = count_features(ibis.memtable(pa.table({"x": values})), ONE, of([0.0, 1.0]))["x"]
    assert (result.present, result.missing, result.cumulative[0]) == (3, 1, 1)


@pytest.mark.parametrize("values", [["0", "1,5"], [True, False]])
def test_ambiguous_column_type_is_refused_and_not_read_as_missing(
    values: list[Any],
) -> None:
    with pytest.raises(
        SchemaMismatchError,
        match=r"column 'x': type \w+ does not hold a number; works: write the column as float64",
    ):
        count_features(ibis.memtable(pa.table({"x": values})), ONE, of([0.0, 1.0]))


def test_few_unreadable_rows_are_left_out_with_a_note_and_many_are_refused() -> None:
    table = parcels(500, seed=3)
    stops = [
        item + 0.5 if row in (7, 9) else float(item)
        for row, item in enumerate(table["stops"].to_pylist())
    ]
    halves = table.set_column(table.column_names.index("stops"), "stops", pa.array(stops))
    rows, note = readable_rows(ibis.memtable(halves), PARCELS.fields)
    assert note.startswith("2 rows left out: stops: not a whole number: 2 rows, for example '")
    whole = table.filter(pa.array([row not in (7, 9) for row in range(500)]))
    assert count_features(rows, PARCELS.fields, LEARNT) == count_features(
        ibis.memtable(whole), PARCELS.fields, LEARNT
    )
    with pytest.raises(
        SchemaMismatchError,
        match="more than 1% of 100 rows cannot be read: stops: not a whole number: 2",
    ):
        count_features(ibis.memtable(halves.slice(0, 100)), PARCELS.fields, LEARNT)


def test_field_with_thousands_of_categories_is_counted_like_one_with_few() -> None:
    parts = [f"w{number}" for number in range(5_000)]
    fields = Fields((Field("word", "category", categories=tuple(parts), open=True, optional=True),))
    random = np.random.Generator(np.random.Philox(1))
    given = np.array([*parts, "other"], dtype=object)[random.integers(0, 5_001, 20_000)]
    given[:10] = None
    learnt = build_reference(fields, {"word": given}, np.zeros(20_000))
    result = count_features(ibis.memtable(pa.table({"word": given.tolist()})), fields, learnt)[
        "word"
    ]
    assert (result.present, result.missing) == (19_990, 10)
    assert (
        result.cumulative
        == tuple(int((given == word).sum()) for word in parts[:1]) + result.cumulative[1:]
    )
    assert result.cumulative[-1] == 19_990 - int((given == "other").sum())
    (drift,) = compare_distributions(learnt, {"word": result})
    assert drift.verdict == "steady"
    assert drift.gap == pytest.approx(0, abs=1e-6)


def test_counts_of_chunks_add_up_to_the_counts_of_the_table() -> None:
    table = parcels(2_000, seed=3)
    whole = count_features(ibis.memtable(table), PARCELS.fields, LEARNT)
    pieces = (
        count_features(ibis.memtable(table.slice(start, 700)), PARCELS.fields, LEARNT)
        for start in (0, 700, 1_400)
    )
    assert sum_counts(pieces) == whole
    assert sum_counts([]) == {}


# Drift and no drift


@pytest.mark.parametrize("seed", range(20))
def test_shift_of_a_fifth_of_a_standard_deviation_drifts_and_a_quiet_day_does_not(
    seed: int,
) -> None:
    learnt = of(normal(20_000, seed))
    for shift, wanted in ((0.0, set()), (0.2, {"x"})):
        table = ibis.memtable(pa.table({"x": normal(20_000, 1_000 + seed, shift)}))
        assert drifted(count_features(table, ONE, learnt), learnt) == wanted


def test_shift_of_one_field_drifts_there_only_and_comes_first() -> None:
    table = parcels(4_000, seed=5)
    place = table.column_names.index("weight")
    heavier = table.set_column(place, "weight", pa.array(np.array(table["weight"]) * 0.8))
    result = compare_distributions(
        LEARNT, count_features(ibis.memtable(heavier), PARCELS.fields, LEARNT)
    )
    assert [element.name for element in result if element.verdict == "drifts"] == ["weight"]
    assert result[0].name == "weight"
    assert [item.excess for item in result] == sorted(
        (entry.excess for entry in result), reverse=True
    )


def test_category_replaced_by_a_known_or_an_unknown_one_drifts() -> None:
    table = ibis.memtable(parcels(4_000, seed=5))
    for word in ("bergen", "elsewhere"):
        changed = table.mutate(city=ibis.ifelse(table.city == "oslo", word, table.city))
        assert "city" in drifted(count_features(changed, PARCELS.fields, LEARNT))


def test_score_is_compared_if_the_table_has_one() -> None:
    table = ibis.memtable(parcels(4_000, seed=5))
    same, less = (table.mutate(score=table.weight / divisor) for divisor in (30.0, 60.0))
    assert SCORE not in count_features(table, PARCELS.fields, LEARNT)
    assert drifted(count_features(same, PARCELS.fields, LEARNT)) == set()
    assert drifted(count_features(less, PARCELS.fields, LEARNT)) == {SCORE}


def test_field_named_score_is_a_field() -> None:
    fields = Fields((Field("score", "number"),))
    learnt = build_reference(fields, {"score": normal(500, 1)}, normal(500, 2))
    assert list(
        count_features(ibis.memtable(pa.table({"score": normal(500, 3)})), fields, learnt)
    ) == ["score"]


def test_few_rows_give_no_verdict_unless_the_shift_is_large() -> None:
    learnt = of(normal(20_000, 1))
    for shift, verdict in ((0.0, "too few rows"), (3.0, "drifts")):
        counts = count_features(ibis.memtable(pa.table({"x": normal(50, 2, shift)})), ONE, learnt)
        assert by_name(compare_distributions(learnt, counts))["x"].verdict == verdict


def test_no_rows_give_no_verdict() -> None:
    result = by_name(
        compare_distributions(
            LEARNT, count_features(ibis.memtable(parcels(10).slice(0, 0)), PARCELS.fields, LEARNT)
        )
    )
    assert {item.verdict for item in result.values()} == {"too few rows"}
    assert {entry.gap for entry in result.values()} == {None}


def test_absent_field_is_not_recorded_and_text_is_not_compared() -> None:
    result = by_name(
        compare_distributions(
            LEARNT,
            count_features(ibis.memtable(parcels(500)), PARCELS.fields, LEARNT, ("distance",)),
        )
    )
    assert result["distance"].verdict == "not recorded"
    assert result["distance"].shares == ()
    text = Fields((Field("body", "text", longest=9),))
    learnt = build_reference(text, {"body": np.array(["a", None], dtype=object)}, np.zeros(2))
    (message,) = compare_distributions(
        learnt, count_features(ibis.memtable(pa.table({"body": ["a", "b", None]})), text, learnt)
    )
    assert message.verdict == "not compared"
    assert message.missing == pytest.approx(1 / 3)


def test_hostile_categories_are_counted_as_plain_text() -> None:
    values = np.array(HOSTILE * 10, dtype=object)
    learnt = build_reference(WORDS, {"word": values}, np.zeros(len(values)))
    table = ibis.memtable(pa.table({"word": [*HOSTILE * 20, "' OR 1=1 --"]}))
    result = count_features(table, WORDS, learnt)["word"]
    assert result.cumulative == tuple(20 * (place + 1) for place in range(len(HOSTILE)))
    assert result.present == 20 * len(HOSTILE) + 1


# Tables that cannot be compared


def test_missing_or_mistyped_column_is_named() -> None:
    table = ibis.memtable(parcels(10))
    with pytest.raises(SchemaMismatchError, match="no column 'city', which the model needs"):
        count_features(table.drop("city"), PARCELS.fields, LEARNT)
    with pytest.raises(
        SchemaMismatchError, match=r"column 'weight': type timestamp\(6\) does not hold a number"
    ):
        count_features(table.mutate(weight=table["at"]), PARCELS.fields, LEARNT)


def test_files_are_counted_like_tables(tmp_path: Path) -> None:
    table = parcels(3_000, seed=7)
    pq.write_table(table, tmp_path / "rows.parquet")
    pc.write_csv(table, tmp_path / "rows.csv")
    expected = count_features(ibis.memtable(table), PARCELS.fields, LEARNT)
    for name in ("rows.parquet", "rows.csv"):
        result = read_table(tmp_path / name, columns_of_scored(PARCELS.fields), tmp_path).table
        assert count_features(result, PARCELS.fields, LEARNT) == expected
