from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlprod.files.cells import Cells
from mlprod.files.columns import Column


def read(
    kind: str,
    *cells: str | None,
    categories: frozenset[str] = frozenset(),
    reader: Cells | None = None,
) -> list[Any]:
    """Return the values of cells; an unreadable cell becomes `!` and its text."""
    column = Column("x", kind, categories)
    values, anomalies = (reader or Cells()).read({column: pa.array(cells, pa.string())})[column]
    assert len(values) == len(anomalies) == len(cells)
    pairs = zip(values.to_pylist(), anomalies.to_pylist(), strict=True)
    assert all(value is None or text is None for value, text in pairs)
    pairs = zip(values.to_pylist(), anomalies.to_pylist(), strict=True)
    return [value if text is None else f"!{text}" for value, text in pairs]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12.5", 12.5), ("+12.5", 12.5), ("-0.5", -0.5), (".5", 0.5), ("5.", 5.0),
        ("1.5e3", 1500.0), ("1E-3", 0.001),
        (" 12.5 ", 12.5), ("12.5\u00a0", 12.5), ("007", 7.0), ("-0", -0.0),
        (None, None), ("  ", None), ("NULL", None), ("null", None), ("NaN", None), ("nan", None),
        ("NA", None),
        ("N/A", None), ("#N/A", None), ("#NV", None), ("None", None), ("\\N", None), ("NaT", None),
        ("<NA>", None),
        ("inf", "!inf"), ("-Infinity", "!-Infinity"), ("1e400", "!1e400"), ("-", "!-"), ("?", "!?"),
        (".", "!."),
        ("12,5 kg", "!12,5 kg"), ("12 kg", "!12 kg"), ("12%", "!12%"), ("€12", "!€12"),
        ("$1,234.50", "!$1,234.50"),
        ("1,234", "!1,234"), ("1'234", "!1'234"), ("1 234", "!1 234"), ("1_000", "!1_000"),
        ("0x1F", "!0x1F"),
        ("1.234.567", "!1.234.567"), ("12.5.2026", "!12.5.2026"), ("2026-06-01", "!2026-06-01"),
        ("#DIV/0!", "!#DIV/0!"),
        ("١٢", "!١٢"), ("−5", "!−5"), ("true", "!true"), ("x" * 500, "!" + "x" * 200),
    ],
)  # fmt: skip
def test_number_cell_is_a_value_missing_or_unreadable(cell: str | None, value: object) -> None:
    assert read("number", cell, "1.5") == [value, 1.5]


def test_decimal_comma_is_detected_by_an_unambiguous_fraction() -> None:
    assert read("number", "85,38", "1,234", "7", "1234,5", ",5", "1,5e3") == [
        85.38,
        1.234,
        7,
        1234.5,
        0.5,
        1500,
    ]
    assert read("number", "85,38", "1.234,56", "1.234", "7") == [85.38, "!1.234,56", "!1.234", 7]
    assert read("number", "12.5", "85,38") == [12.5, "!85,38"], (
        "a file with both has a decimal point"
    )
    assert read("number", "1,234", "12,345") == ["!1,234", "!12,345"], (
        "thousands or thousandths: ambiguous"
    )


def test_first_fraction_decides_the_decimal_mark_of_the_file() -> None:
    reader = Cells()
    assert read("number", "7", "8", reader=reader) == [7, 8]
    assert reader.mark == ""
    assert read("number", "7", "8,5", reader=reader) == [7, 8.5]
    assert reader.mark == ","
    assert read("number", "8.5", "9,5", reader=reader) == ["!8.5", 9.5]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("7", 7), ("7.0", 7), ("1e3", 1000), ("007", 7), ("-3", -3), (None, None), ("NaN", None),
        ("7.5", "!7.5"), ("1,000", "!1,000"), ("seven", "!seven"), ("99999999999999999999", 1e20),
    ],
)  # fmt: skip
def test_integer_cell_is_a_value_missing_or_unreadable(cell: str | None, value: object) -> None:
    assert read("integer", cell) == [value]


TRUE = [
    "true",
    "True",
    "TRUE",
    "t",
    "yes",
    "Y",
    "on",
    "1",
    "1.0",
    " true ",
    "WAHR",
    "VRAI",
    "VERDADERO",
    "VERO",
]
FALSE = ["false", "F", "no", "N", "OFF", "0", "0.0", "FALSCH", "FAUX", "FALSO", "ONWAAR"]


@pytest.mark.parametrize(
    ("cell", "value"), [(cell, True) for cell in TRUE] + [(cell, False) for cell in FALSE]
)
def test_booleans_of_common_programs_are_read(cell: str, value: bool) -> None:
    assert read("boolean", cell) == [value]


@pytest.mark.parametrize("cell", ["2", "ja", "x", "-", "maybe", "truee", "-1"])
def test_other_text_for_a_boolean_is_unreadable(cell: str) -> None:
    assert read("boolean", cell, None, "NULL", "\\N") == [f"!{cell}", None, None, None]


def test_category_is_read_as_written() -> None:
    assert read("category", "chip", " chip", "Chip", "None", "NA") == [
        "chip",
        " chip",
        "Chip",
        "None",
        "NA",
    ]
    assert read("category", None, " ", "NULL", "#N/A", "\\N") == [None] * 5
    assert read("category", "NULL", "NaN", categories=frozenset({"NULL"})) == ["NULL", None], (
        "a category may have this name"
    )
    assert read("text", "1,5", "2026-06-01") == ["1,5", "2026-06-01"]


def test_id_is_read_as_written_unless_a_spreadsheet_rounded_it() -> None:
    assert read("id", "00042", "9007199254740993", "1E5", "a b", None) == [
        "00042",
        "9007199254740993",
        "1E5",
        "a b",
        None,
    ]
    assert read("id", "1.23E+15", "1,23457E+11", "4E+15") == ["!1.23E+15", "!1,23457E+11", "!4E+15"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2026-06-01", "2026-06-01 00:00:00"),
        ("2026-06-01 12:30", "2026-06-01 12:30:00"),
        ("2026-06-01T12:30:15.250Z", "2026-06-01 12:30:15.250000"),
        ("2026-06-01 12:30:15+02:00", "2026-06-01 10:30:15"),
        ("2026-06-01 12:30:15 UTC", "2026-06-01 12:30:15"),
        ("NULL", "None"),
        ("01/06/2026", "!01/06/2026"),
        ("01.06.2026 12:30", "!01.06.2026 12:30"),
        ("2026-02-30", "!2026-02-30"),
        ("46174", "!46174"),
    ],
)
def test_time_is_read_only_in_iso_order(cell: str, value: str) -> None:
    assert [str(item) for item in read("time", cell)] == [value]


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("date", " 2026-06-01", "2026-06-01"),
        ("date", "2026-06-01 00:00:00.000", "2026-06-01"),
        ("date", "2026-06-01 00:30:00", "!2026-06-01 00:30:00"),
        ("date", "2026-02-30", "!2026-02-30"),
        ("date", "01.06.2026", "!01.06.2026"),
        ("date", "NaT", "None"),
        ("datetime", "2026-06-01T12:30:15.25+02:00", "2026-06-01 10:30:15.250000"),
        ("datetime", "2026-06-01 12:30", "2026-06-01 12:30:00"),
        ("datetime", "2026-06-01", "!2026-06-01"),
        ("datetime", "n/a", "None"),
    ],
)
def test_date_cell_is_a_value_missing_or_unreadable(kind: str, cell: str, value: str) -> None:
    assert [str(item) for item in read(kind, cell)] == [value]


def test_label_is_a_number_or_a_boolean() -> None:
    assert read("label", "1", "0", "12.5", "true", "FALSCH", None, "late") == [
        1,
        0,
        12.5,
        1,
        0,
        None,
        "!late",
    ]


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9), min_size=1
    )
)
def test_numbers_written_by_python_are_read_unchanged(numbers: list[float]) -> None:
    assert read("number", *(repr(number) for number in numbers)) == [
        float(number) for number in numbers
    ]


@given(st.text())
def test_text_never_becomes_a_different_number(text: str) -> None:
    (value,) = read("number", text)
    if value is not None and not isinstance(value, str):
        assert value == float(text.strip().replace(",", "."))
