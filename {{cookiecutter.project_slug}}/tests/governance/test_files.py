from pathlib import Path

import pytest

from {{cookiecutter.package_name}}.governance.files import GovernanceError, Record, read


class Switch(Record):
    on: str
    level: int = 1


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(GovernanceError) as refusal:
        read(path, Switch, "on: full")
    return str(refusal.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "switch.yaml"


def test_on_is_a_word_and_not_true(path: Path) -> None:
    path.write_text("on: off\n")
    assert read(path, Switch, "").on == "off"


def test_a_missing_file_is_answered_with_one_that_works(path: Path) -> None:
    with pytest.raises(GovernanceError, match=r"no such file. What works:\non: full"):
        read(path, Switch, "on: full")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"on: full\nlevel: high\n", "level: "),
        (b"on: full\ncolour: red\n", "colour: "),
        (b"", "on: "),
        (b"on: full\non: half\n", "'on' is said twice"),
        (b"on: &a full\nlevel: *a\n", "aliases"),
        (b"on: [full\n", "not readable as YAML"),
        (b"on: !!python/object/apply:os.system [ls]\n", "not readable as YAML"),
        (b"\xff\xfe\x00", "not readable as YAML"),
        (b"[" * 1_000, "not readable as YAML"),
        (b"#" * 200_001, "at most 200,000"),
    ],
)
def test_what_cannot_be_used_is_refused_with_file_and_key(path: Path, content: bytes, says: str) -> None:
    message = refused(path, content)
    assert str(path) in message
    assert says in message
