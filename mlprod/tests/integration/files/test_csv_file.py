import codecs
import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlprod.contract.columns import LINE_COLUMN, UNREADABLE_PREFIX
from mlprod.files import csv_file, dialect, records
from mlprod.files.columns import Column
from mlprod.files.errors import FileError

COLUMNS = (
    Column("key", "id"),
    Column("amount", "number"),
    Column("shop", "category", required=False),
)
ROWS = [
    ("00042", 1.5, "café"),
    ("b", None, 'a "b", c'),
    ("c", -7.0, "two\nlines"),
    ("d", 20.25, ""),
]


def read(
    folder: Path, content: str | bytes, name: str = "rows.csv", columns: Any = COLUMNS
) -> list[dict[str, Any]]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    csv_file.convert([folder / name], columns, folder / "rows.parquet")
    table = pq.read_table(folder / "rows.parquet")
    marks = [column for column in table.column_names if column.startswith(UNREADABLE_PREFIX)]
    return [
        {key: value for key, value in row.items() if key not in marks or value}
        for row in table.to_pylist()
    ]


def described(folder: Path, content: bytes) -> str:
    (folder / "rows.csv").write_bytes(content)
    return csv_file.convert([folder / "rows.csv"], COLUMNS, folder / "rows.parquet")


def written(
    delimiter: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL, mark: str = "."
) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["key", "amount", "shop"])
    for key, amount, shop in ROWS:
        writer.writerow([key, "" if amount is None else str(amount).replace(".", mark), shop])
    return text.getvalue()


EXPECTED: list[dict[str, Any]] = [
    {"key": "00042", "amount": 1.5, "shop": "café", LINE_COLUMN: 2},
    {"key": "b", "amount": None, "shop": 'a "b", c', LINE_COLUMN: 3},
    {"key": "c", "amount": -7.0, "shop": "two\nlines", LINE_COLUMN: 4},
    {"key": "d", "amount": 20.25, "shop": None, LINE_COLUMN: 6},
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_same_rows_are_read_from_every_layout(
    tmp_path: Path, delimiter: str, end: str, quoting: int
) -> None:
    assert read(tmp_path, written(delimiter, end, quoting)) == EXPECTED


@pytest.mark.parametrize(
    ("encoded", "description"),
    [
        (codecs.BOM_UTF8 + written(";", mark=",").encode(),
         "byte order mark, semicolons between cells, decimal comma"),
        (codecs.BOM_UTF16_LE + written("\t", "\r\n").encode("utf-16-le"),
         "UTF-16, tabs between cells, decimal point"),
        (codecs.BOM_UTF16_BE + written("\t").encode("utf-16-be"),
         "UTF-16, tabs between cells, decimal point"),
        (written().encode("utf-16-le"), "UTF-16, commas between cells, decimal point"),
        (gzip.compress(written().encode(), mtime=0),
         "gzip, UTF-8, commas between cells, decimal point"),
        (b"sep=;\r\n" + written(";", "\r\n").encode(),
         "UTF-8, semicolons between cells, decimal point"),
        (codecs.BOM_UTF8 + b'"sep=^"\n' + written("^").encode(),
         "UTF-8 with a byte order mark, '^' between cells"),
        (written().rstrip("\n").encode(), "UTF-8, commas between cells, decimal point, 4 rows"),
        (written().encode() + b"\n\r\n\n", "UTF-8, commas between cells, decimal point, 4 rows"),
    ],
)  # fmt: skip
def test_same_rows_are_read_from_every_encoding_and_it_is_described(
    tmp_path: Path, encoded: bytes, description: str
) -> None:
    above = 1 if b"sep=" in encoded else 0
    expected = [row | {LINE_COLUMN: row[LINE_COLUMN] + above} for row in EXPECTED]
    assert read(tmp_path, encoded) == expected
    assert description in described(tmp_path, encoded)


def test_carriage_return_alone_is_a_line_break(tmp_path: Path) -> None:
    result = read(tmp_path, "key,amount,shop\ra,1,x\r\rb,2,y\r")
    assert [(row["key"], row[LINE_COLUMN]) for row in result] == [("a", 2), ("b", 4)]


def test_other_columns_may_have_any_name(tmp_path: Path) -> None:
    result = read(tmp_path, "key,,amount,note,note,\na,1,2,3,4,\n")
    assert result == [{"key": "a", "amount": 2.0, LINE_COLUMN: 2}]


def test_first_quote_late_in_the_file_is_a_quote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "CHUNK", 1_000)
    lines = ["key,amount,shop", *(f"q{row},1.5,fuel" for row in range(30_000))]
    lines[25_001:25_003] = ['"case-7",2.5,"Smith, Sons"', '"case-8",3.5,"two', 'lines ""here"""']
    result = read(tmp_path, "\n".join(lines))
    assert len(result) == 30_000
    assert result[25_000] == {
        "key": "case-7",
        "amount": 2.5,
        "shop": "Smith, Sons",
        LINE_COLUMN: 25_002,
    }
    assert result[25_001] == {
        "key": "case-8",
        "amount": 3.5,
        "shop": 'two\nlines "here"',
        LINE_COLUMN: 25_003,
    }
    assert result[25_002][LINE_COLUMN] == 25_005
    assert result[-1]["key"] == "q29999"


@given(
    st.lists(
        st.tuples(
            st.text("aé,;\"'\n\r \t", min_size=1, max_size=6),
            st.integers(0, 99),
            st.text('b,\n"', max_size=6),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([1, 3, 7, 10_000]),
)
@settings(deadline=None, max_examples=200)
def test_csv_written_by_python_is_read_for_every_chunk_size(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]], chunk: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("key", "amount", "shop"), *rows])
    before, dialect.CHUNK = dialect.CHUNK, chunk
    try:
        result = read(tmp_path_factory.getbasetemp(), text.getvalue())
    finally:
        dialect.CHUNK = before
    lines = csv.reader(io.StringIO(text.getvalue(), newline=""))
    ends = [lines.line_num for _ in lines]
    assert [(row["key"] or " ", row["amount"], row["shop"] or " ") for row in result] == [
        (key if key.strip() else " ", amount, shop if shop.strip() else " ")
        for key, amount, shop in rows
    ]
    assert [row[LINE_COLUMN] for row in result] == [end + 1 for end in ends[:-1]]


def test_unreadable_cell_is_marked(tmp_path: Path) -> None:
    result = read(tmp_path, "key,amount,shop\na,12 kg,x\n1.2E+15,,y\n")
    assert result == [
        {
            "key": "a",
            "amount": None,
            "shop": "x",
            UNREADABLE_PREFIX + "amount": "12 kg",
            LINE_COLUMN: 2,
        },
        {
            "key": None,
            "amount": None,
            "shop": "y",
            UNREADABLE_PREFIX + "key": "1.2E+15",
            LINE_COLUMN: 3,
        },
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"key,amount\n", "it has a first line and no row below it"),
        (b",,,\n,,,\n", "its first line names none of the columns. "
         "Works: a first line with the contract's names,"),
        (b"a,1.5,secret\nb,2.5,x\n", "its first line names none of the columns"),
        (b"key,Amount,shop\na,1,x\n",
         "it has no column 'amount', which the model needs; it has key, Amount, shop. "
         "Similar names: 'amount' ('Amount' (other case than 'amount')); rename them"),
        (b"key,amount,amount\na,1,2\n",
         "'amount' is the name of columns 2 and 3; rename one of them"),
        (b"key,amount,shop\na,1\n", "line 2: it has 2 cells, and the first line names 3 columns"),
        (b"key,amount,shop\na,1,x\nb,2,x,y\n", "line 3: it has 4 cells"),
        (b'key,amount,shop\na,1,"two\nlines"\nb,2\n', "line 4: it has 2 cells"),
        (b'key,amount,shop\na,1,5" pipe\n',
         "line 2: there is a quote within a cell. Works: the whole cell in quotes"),
        (b'key,amount,shop\na,1,"say \\"hi\\""\n', "line 2: there is a quote within a cell"),
        (b'key,amount,shop\na,1,x\nb,2,"x" \n', "line 3: there is a quote within a cell"),
        (b'key,amount,shop\na,1,"x\nb,2,y\n',
         "line 2: it opens a quote that is not closed in the next 13 bytes"),
        ("key,amount,shop\na,1,x\nb,2,café\n".encode("cp1252"),
         "line 3: byte 0xE9 is not UTF-8; in Windows-1252 it would be 'é'. Works: "
         "save it as CSV UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"),
        (b"key,amount,shop\na,1,x\nb,2,\x00\n", "line 3: it has a byte 0"),
        (codecs.BOM_UTF32_LE + "key,amount".encode("utf-32-le"), "it is UTF-32"),
        (codecs.BOM_UTF16_LE + "key,amount\na,1\n".encode("utf-16-le") + b"\x00",
         "it is not valid UTF-16-LE to its end"),
        (gzip.compress(b"key,amount,shop\na,1,x\n" * 1000, mtime=0)[:-40],
         "its compressed data is incomplete or damaged"),
        (b"PK\x03\x04 and so on", "it is an Excel workbook or a zip. Works: save it as CSV UTF-8"),
        (b"PAR1 and so on", "it is Parquet"),
        (b"key,amount,shop\n" + b"a" * 20_000, "line 2: it has 1 cells"),
    ],
)  # fmt: skip
def test_unreadable_file_is_refused_with_line_and_remedy(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(FileError) as refused:
        read(tmp_path, content)
    assert str(refused.value).startswith(f"{tmp_path}/rows.csv: ")
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


def test_unclosed_quote_fails_before_the_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 10_000)
    monkeypatch.setattr(dialect, "CHUNK", 1_000)
    with pytest.raises(
        FileError,
        match=r"line 2: it opens a quote that is not closed in the next 10,\d+ bytes",
    ):
        read(tmp_path, 'key,amount,shop\na,1,"x' + "\nb,2,y" * 10_000)
