"""Files of common programs: every command reads the same rows or refuses the same cell."""

import codecs
import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Trained, release
from fixture_project import main
from seams import binary, parcels

from mlprod.batch import selection
from mlprod.batch.selection import ScoringFunctions
from mlprod.project.project import Project
from mlprod.settings import Settings
from mlprod.training.registry import Registry

ROWS = parcels(400, seed=7)
DOMAIN = ScoringFunctions(binary.terms, binary.load, binary.baseline, binary.decide)


@pytest.fixture
def here(
    trained: Trained,
    registry: Registry,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Path:
    """A folder of the parcels project with a trained champion."""
    release(registry, trained.bundle)
    for name in ("state_dir", "model_name", "database_url", "event_log_dir", "governance_dir"):
        monkeypatch.setenv(f"ML_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setattr(selection, "load_scoring_functions", lambda _: DOMAIN)
    monkeypatch.setattr(Project, "seam", lambda _: binary)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class Answers:
    """The output of the commands for one file."""

    contract: str
    score: str
    drift: str
    scores: list[float | None]


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Answers]:
    def run_commands(name: str) -> Answers:
        texts = []
        for command in (
            ["validate"],
            ["score", "--dry-run", "--output", "scores.parquet"],
            ["drift"],
        ):
            assert main([*command, "--input", name]) in (0, 1, 2)
            texts.append("\n".join(capsys.readouterr()))
            assert "Traceback" not in texts[-1]
        scores = (
            pq.read_table("scores.parquet")["score"].to_pylist()
            if Path("scores.parquet").exists()
            else []
        )
        Path("scores.parquet").unlink(missing_ok=True)
        return Answers(texts[0], texts[1], texts[2], scores)

    return run_commands


def cells(
    number: Callable[[Any], str] = str,
    truth: Callable[[bool], str] = str,
    missing: str = "",
    **cells: Callable[[Any], str],
) -> list[list[str]]:
    """Return the rows as text.

    `number`, `truth` and `missing` write numbers, booleans and missing cells; `cells` write the
    cells of single columns.
    """

    def text(name: str, value: Any) -> str:
        if value is None:
            return missing
        if name in cells:
            return cells[name](value)
        return (
            truth(value)
            if isinstance(value, bool)
            else number(value)
            if isinstance(value, float)
            else str(value)
        )

    return [
        ROWS.column_names,
        *([text(name, value) for name, value in row.items()] for row in ROWS.to_pylist()),
    ]


def write(
    path: str, rows: list[list[str]], encoding: str = "utf-8", end: str = "\n", **how: Any
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, **how).writerows(rows)
    content = text.getvalue().encode(encoding)
    Path(path).write_bytes(gzip.compress(content) if path.endswith(".gz") else content)


def comma(value: float) -> str:
    return str(value).replace(".", ",")


def german_excel() -> str:
    write(
        "umsatz.csv",
        cells(comma, lambda yes: "WAHR" if yes else "FALSCH"),
        "utf-8-sig",
        "\r\n",
        delimiter=";",
    )
    return "umsatz.csv"


def french_excel() -> str:
    write(
        "ventes.csv",
        cells(comma, lambda yes: "VRAI" if yes else "FAUX"),
        "utf-8-sig",
        "\r\n",
        delimiter=";",
    )
    return "ventes.csv"


def english_excel() -> str:
    rows = cells(str, lambda yes: str(yes).upper(), "#N/A")
    write("sales.csv", [["sep=,"], *rows], "utf-8-sig", "\r\n")
    return "sales.csv"


def unicode_text_of_excel() -> str:
    text = (
        "\r\n".join(
            "\t".join(row) for row in cells(comma, lambda yes: "VERDADERO" if yes else "FALSO")
        )
        + "\r\n"
    )
    Path("ventas.txt").write_bytes(codecs.BOM_UTF16_LE + text.encode("utf-16-le"))
    return "ventas.txt"


def database_dump() -> str:
    write("parcel.csv", cells(str, lambda yes: "t" if yes else "f", "\\N"), quoting=csv.QUOTE_NONE)
    return "parcel.csv"


def sql_server_export() -> str:
    write("export.csv.gz", cells(str, lambda yes: str(int(yes)), "NULL"), quoting=csv.QUOTE_ALL)
    return "export.csv.gz"


def pandas_csv() -> str:
    rows = cells(
        stops=lambda stops: f"{stops}.0",
        express=lambda yes: f"{float(yes)}",
        late=lambda late: f"{late}.0",
    )
    write(
        "frame.csv", [["", *rows[0]], *([str(place), *row] for place, row in enumerate(rows[1:]))]
    )
    return "frame.csv"


def r_csv() -> str:
    write("frame.csv", cells(str, lambda yes: str(yes).upper(), "NA"), quoting=csv.QUOTE_NONNUMERIC)
    return "frame.csv"


def spark_folder() -> str:
    Path("june.parquet").mkdir()
    for part, start in enumerate(range(0, 400, 150)):
        pq.write_table(ROWS.slice(start, 150), f"june.parquet/part-{part:05d}-8c1f.snappy.parquet")
    for name in ("_SUCCESS", ".part-00000-8c1f.snappy.parquet.crc"):
        Path("june.parquet", name).touch()
    return "june.parquet"


def partitioned_folder() -> str:
    for city in ("bergen", "oslo", "tromso"):
        Path(f"june/city={city}").mkdir(parents=True)
        rows = ROWS.filter(pa.array([item == city for item in ROWS["city"].to_pylist()]))
        pq.write_table(rows.drop_columns(["city"]), f"june/city={city}/part-0.parquet")
    return "june"


def pandas_parquet_with_gaps() -> str:
    frame = ROWS.to_pandas(types_mapper=None)
    frame["stops"] = frame["stops"].astype(float)
    frame["express"] = frame["express"].astype(float)
    frame["courier"] = frame["courier"].astype("category")
    frame.index = frame.index + 7
    frame.to_parquet("frame.parquet")
    return "frame.parquet"


def numbers_of_a_warehouse() -> str:
    table = ROWS
    for name, type in {
        "weight": pa.decimal128(12, 2),
        "stops": pa.decimal128(38, 0),
        "distance": pa.decimal128(9, 1),
    }.items():
        values = pa.array(
            [None if item is None else round(item, 2) for item in table[name].to_pylist()]
        )
        table = table.set_column(
            table.column_names.index(name), name, values.cast(type, safe=False)
        )
    pq.write_table(table, "rows.parquet")
    return "rows.parquet"


def quotes_and_line_breaks() -> str:
    rows = cells()
    city = rows[0].index("city")
    for row in rows[301:]:
        row[city] = row[city] if row[city] != "tromso" else 'tromso, "north"\nof it'
    write("late.csv", rows)
    return "late.csv"


@pytest.mark.parametrize(
    "made",
    [
        german_excel,
        french_excel,
        english_excel,
        unicode_text_of_excel,
        database_dump,
        sql_server_export,
        pandas_csv,
        r_csv,
        spark_folder,
        partitioned_folder,
        pandas_parquet_with_gaps,
        numbers_of_a_warehouse,
        quotes_and_line_breaks,
    ],
)
def test_every_command_reads_the_same_rows(
    run: Callable[[str], Answers], here: Path, made: Callable[[], str]
) -> None:
    pq.write_table(ROWS, "plain.parquet")
    plain, result = run("plain.parquet"), run(made())
    assert len(plain.scores) == 400
    scores, expected = sorted(result.scores), sorted(plain.scores)  # type: ignore[type-var]
    assert scores == pytest.approx(expected, abs=1e-6), result.score
    assert result.contract.splitlines()[-3:] == plain.contract.splitlines()[-3:]
    assert "400 rows, 392 with a label, 0 rules broken" in result.contract
    assert result.drift.splitlines()[-8:-2] == plain.drift.splitlines()[-8:-2]


BAD = {
    "weight": ("12.5 kg", "weight: not a number", "Works: write it as 1234.5"),
    "stops": ("3.5", "stops: not a whole number", "Works: write it as 1234"),
    "express": ("maybe", "express: neither true nor false", "Works: write true or false"),
}


@pytest.mark.parametrize("name", BAD)
def test_every_command_names_the_line_of_the_same_unreadable_cell(
    run: Callable[[str], Answers], here: Path, name: str
) -> None:
    cell, rule, works = BAD[name]
    rows = cells()
    for row in rows[301:]:
        row[rows[0].index(name)] = cell
    write("june.csv", rows)
    result = run("june.csv")
    for text in (result.contract, result.score, result.drift):
        assert f"{rule}: 100 rows, for example '{cell}' in line 302" in text
        assert works in text
    assert result.scores == []


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: write("june.csv", cells(city=lambda city: "malmö"), "cp1252"),
         "line 2: byte 0xF6 is not UTF-8"),
        (lambda: write("june.csv", [*cells(), ["p1", "2"]]),
         "line 402: it has 2 cells, and the first line names 10"),
        (lambda: write("june.csv", cells(parcel=lambda id: "1.23E+15")),
         "a number that a spreadsheet has rounded"),
        (lambda: write("june.csv", [row[1:] for row in cells()[1:]]),
         "its first line names none of the columns"),
        (lambda: write("june.csv", cells()[:1]), "it has a first line and no row below it"),
        (lambda: Path("june.csv").write_text('parcel,"weight\n'), "june.csv: "),
        (lambda: Path("june.csv").mkdir(), "june.csv: it is a folder without a data file"),
        (lambda: None, "june.csv: no such file"),
    ],
)  # fmt: skip
def test_every_command_refuses_the_same_file(
    run: Callable[[str], Answers], here: Path, made: Callable[[], None], message: str
) -> None:
    made()
    result = run("june.csv")
    assert result.scores == []
    for text in (
        (result.contract, result.score)
        if "rounded" in message
        else (result.contract, result.score, result.drift)
    ):
        assert message in text


def test_every_command_skips_and_names_a_few_unreadable_cells(
    run: Callable[[str], Answers], here: Path
) -> None:
    rows = cells()
    rows[7][rows[0].index("weight")] = "12.5 kg"
    write("june.csv", rows)
    result = run("june.csv")
    assert [place for place, score in enumerate(result.scores) if score is None] == [6]
    for text in (result.contract, result.score, result.drift):
        assert "'12.5 kg' in line 8" in text
    assert "no score for 1 row: weight: not a number" in result.score
    assert "1 row left out: weight: not a number" in result.drift


def test_no_temporary_folder_remains(
    run: Callable[[str], Answers], here: Path, settings: Settings
) -> None:
    write("june.csv", cells())
    run("june.csv")
    assert not [
        path for path in settings.state_dir.iterdir() if path.name.startswith(("table-", "scores-"))
    ]
