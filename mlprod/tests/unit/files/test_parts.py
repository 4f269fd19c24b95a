from pathlib import Path

import pytest

from mlprod.files.errors import FileError
from mlprod.files.parts import parts_of, table_name


def make(folder: Path, *names: str, empty: tuple[str, ...] = ()) -> Path:
    for name in (*names, *empty):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("" if name in empty else "rows")
    return folder


def names(named: Path | str, root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in parts_of(named).paths]


@pytest.mark.parametrize(
    "name", ["june.parquet", "june.PARQUET", "june.csv", "june.tsv", "june.txt", "june.csv.gz"]
)
def test_path_of_a_file_is_that_file(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert names(tmp_path / name, tmp_path) == [name]
    assert parts_of(tmp_path / name).format == ("Parquet" if "parquet" in name.lower() else "CSV")


def test_folder_is_its_parts_without_the_marker_files_of_jobs(
    tmp_path: Path,
) -> None:
    parts = ["day=2026-06-01/part-1.snappy.parquet", "day=2026-06-02/part-0.snappy.parquet"]
    beside = [
        "_SUCCESS",
        "_metadata",
        "_common_metadata",
        ".part-1.crc",
        "day=2026-06-01/.part-1.snappy.parquet.crc",
    ]
    beside += ["_committed_1", ".ipynb_checkpoints/part-1.parquet"]
    folder = make(tmp_path / "june.parquet", *parts, empty=tuple(beside))
    assert names(folder, folder) == parts


def test_pattern_is_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    make(tmp_path, "june-2.csv", "june-1.csv", "july-1.csv")
    assert names(f"{tmp_path}/june-*.csv", tmp_path) == ["june-1.csv", "june-2.csv"]
    make(tmp_path, "june-[1].csv")
    assert names(tmp_path / "june-[1].csv", tmp_path) == ["june-[1].csv"], (
        "the name of a file may look like a pattern"
    )


def test_empty_csv_part_is_skipped(tmp_path: Path) -> None:
    folder = make(tmp_path / "june", "part-1.csv", empty=("part-0.csv",))
    assert names(folder, folder) == ["part-1.csv"]


@pytest.mark.parametrize(
    ("files", "empty", "named", "message"),
    [
        ((), (), "june.parquet", "june.parquet: no such file. A table is Parquet or CSV"),
        ((), (), "june-*.parquet", "june-*.parquet: no file matches this pattern"),
        (("june.xlsx",), (), "june.xlsx",
         "june.xlsx: .xlsx is not supported. A table is Parquet or CSV"),
        ((), (), "june.json", "june.json: .json is not supported"),
        (("june",), (), "june", "june: a file without an extension is not supported"),
        ((), ("june.parquet/_SUCCESS",), "june.parquet",
         "june.parquet: it is a folder without a data file"),
        ((), ("june.parquet/part-0.parquet",), "june.parquet",
         "it is a folder, and its part part-0.parquet is empty"),
        ((), ("june/part-0.csv",), "june",
         "it is a folder, and its part part-0.csv is empty (0 bytes)"),
        (("june/a.parquet", "june/b.csv"), (), "june",
         "june: it has a.parquet (Parquet) and b.csv (CSV); a table has one format"),
        (("june/a.parquet", "june/README.md"), (), "june", "README.md: .md is not supported"),
        (("june/_delta_log/0.json", "june/a.parquet"), (), "june",
         "june: it is a Delta table, whose own log lists"),
        (("june/metadata/v1.metadata.json", "june/data/a.parquet"), (), "june",
         "june: it is an Iceberg table"),
        (("june/_temporary/0/a.parquet", "june/a.parquet"), (), "june",
         "june: it has a folder _temporary: a job is"),
        (("a/june.csv", "b/june.csv"), (), "?",
         "a is a folder. Works: name the folder, or a pattern of files"),
    ],
)  # fmt: skip
def test_path_without_a_table_is_refused_with_the_reason(
    tmp_path: Path, files: tuple[str, ...], empty: tuple[str, ...], named: str, message: str
) -> None:
    make(tmp_path, *files, empty=empty)
    with pytest.raises(FileError) as refused:
        parts_of(f"{tmp_path}/{named}")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ("data/june.parquet", "june"), ("data/june.parquet/", "june"), ("june.csv.gz", "june"),
        ("june", "june"),
        ("data/june-*.csv", "june"), ("data/day=2026-06-01", "day=2026-06-01"), ("*.csv", "table"),
        ("a b.csv", "a_b"),
    ],
)  # fmt: skip
def test_scores_have_the_name_of_their_table(named: str, name: str) -> None:
    assert table_name(named).rstrip("-") == name
