import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import OWNERSHIP
from filled import FILES, Filled, filled

from mlprod.governance.config import read_governance
from mlprod.governance.yaml_loader import MAX_BYTES, GovernanceError, StrictModel, read_yaml

__all__ = ["filled"]


class Switch(StrictModel):
    on: str
    level: int = 1


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(GovernanceError) as refusal:
        read_yaml(path, Switch, "on: full")
    return str(refusal.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "switch.yaml"


def test_on_is_a_string_and_not_true(path: Path) -> None:
    path.write_text("on: off\n")
    assert read_yaml(path, Switch, "").on == "off"


def test_missing_file_is_refused_with_an_example(path: Path) -> None:
    with pytest.raises(GovernanceError, match=r"no such file. What works:\non: full"):
        read_yaml(path, Switch, "on: full")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"on: full\nlevel: high\n", "level: "),
        (b"on: full\ncolor: red\n", "color: "),
        (b"", "on: "),
        (b"on: full\non: half\n", "'on' appears twice"),
        (b"on: &a full\nlevel: *a\n", "aliases"),
        (b"on: [full\n", "not readable as YAML"),
        (b"on: !!python/object/apply:os.system [ls]\n", "not readable as YAML"),
        (b"\xff\xfe\x00", "not readable as YAML"),
        (b"[" * 1_000, "not readable as YAML"),
        (b"#" * 60_001, "at most 60,000"),
    ],
)
def test_invalid_file_is_refused_with_file_and_key(path: Path, content: bytes, says: str) -> None:
    message = refused(path, content)
    assert str(path) in message
    assert says in message


def test_message_has_the_first_of_many_errors(path: Path) -> None:
    message = refused(path, b"".join(b"key%d: 1\n" % number for number in range(100)))
    assert "key0: " in message
    assert "and 81 more" in message
    assert len(message) < 3_000


# Reading the longest list takes 75. Work that grows with the square of the file takes thousands.
MAX_CALLS_PER_BYTE = 150


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Count the calls of functions, of Python and of C, within the block."""
    calls, earlier = [0], sys.getprofile()

    def count(frame: object, event: str, argument: object) -> None:
        calls[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(earlier)


SEVERAL = (
    "ownership.yaml",
    "problem.yaml",
    "risk.yaml",
    "change_plan.yaml",
    "gates.yaml",
    "waivers.yaml",
)
BOMB = "a: &a [x, x]\n" + "".join(
    f"{later}: &{later} [*{early}, *{early}]\n"
    for early, later in zip("abcdef", "bcdefg", strict=True)
)
HOSTILE = {
    "aliases": (BOMB, "aliases (*name) are not allowed here"),
    "an alias of itself": ("a: &a [*a]", "aliases (*name) are not allowed here"),
    "a tag of python": (
        "a: !!python/object/apply:os.system [ls]",
        "tags (tag:yaml.org,2002:python/object/apply:os.system)",
    ),
    "a tag of a time": ("a: !!timestamp x", "tags (tag:yaml.org,2002:timestamp)"),
    "a tag of a truth": ("a: !!bool maybe", "tags (tag:yaml.org,2002:bool)"),
    "a tag of a number": ("a: !!int ''", "tags (tag:yaml.org,2002:int)"),
    "bytes": ("a: !!binary aGk=", "tags (tag:yaml.org,2002:binary)"),
    "its own tag": ("a: !mine b", "tags (!mine)"),
    "an unknown key": ("color: red", "color: Extra inputs are not permitted"),
    "a duplicate key": (
        "color: red\ncolor: red",
        "the key 'color' appears twice, on lines [1, 2]",
    ),
    "a duplicate key in a key": ("a: {b: 1, b: 2}", "the key 'b' appears twice"),
    "a list": ("- a\n- b", "the file: Input should be a valid dictionary"),
    "a string": ("hello", "the file: Input should be a valid dictionary"),
    "invalid UTF-8": (b"a: \xff\xfe", "not readable as YAML"),
    "zeros": (b"a: \x00", "not readable as YAML"),
    "half a character": ('a: "\\ud800"', "not readable as YAML"),
    "a day that never was": ("a: 2026-02-30", "not readable as YAML"),
    "a list as a key": ("? [a]\n: b", "not readable as YAML"),
    "a key that is a number": ("1: a", "[1]: "),
    "a merge": ("<<: {a: 1}", "not readable as YAML"),
    "two documents": ("a: 1\n---\na: 2", "not readable as YAML"),
}
LARGE = {
    "ten megabytes": ("#" * 10_000_000, "10,000,000 bytes; at most 60,000 work"),
    "as long as may be": ("a: [" + "a," * 29_000 + "]", "a: Extra inputs are not permitted"),
    "deep lists": ("[" * 50_000, "not readable as YAML"),
    "deep mappings": ("{a: " * 12_000, "not readable as YAML"),
    "deep blocks": ("- " * 25_000, "not readable as YAML"),
    "20,000 keys": (
        "\n".join(f"key{number}: 1" for number in range(20_000)),
        "bytes; at most 60,000 work",
    ),
    "many keys": (
        "\n".join(f"key{number}: 1" for number in range(4_500)),
        "key0: Extra inputs are not permitted",
    ),
    "many of nothing": ("? \n" * 15_000, "the key 'None' appears twice"),
    "a huge number": ("a: " + "9" * 50_000, "a number has 50,000 characters; at most 40 work"),
    "a huge hexadecimal": ("a: 0x" + "f" * 50_000, "a number has 50,002 characters"),
    "a huge binary": ("a: 0b" + "1" * 50_000, "a number has 50,002 characters"),
    "a huge time": ("a: " + ":".join(["1"] * 25_000), "a number has 49,999 characters"),
    "a huge key": ("0x" + "f" * 50_000 + ": 1", "a number has 50,002 characters"),
}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        *(
            pytest.param(name, *item, id=f"{name} {key}")
            for name in SEVERAL
            for key, item in HOSTILE.items()
        ),
        *(pytest.param("problem.yaml", *item, id=key) for key, item in LARGE.items()),
    ],
)
def test_hostile_file_is_refused_quickly_with_what_works(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    (tmp_path / "ownership.yaml").write_text(OWNERSHIP)
    (tmp_path / "gates.yaml").write_text(FILES["gates.yaml"])
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with counted_calls() as calls, pytest.raises(GovernanceError) as refusal:
        read_governance(tmp_path)
    assert calls[0] < MAX_CALLS_PER_BYTE * MAX_BYTES
    message = str(refusal.value)
    assert str(path) in message
    assert says in message
    assert "bytes; " in message or "What works:\n" in message
    assert len(message) < 5_000


@pytest.mark.parametrize(
    ("name", "before", "after", "key"),
    [
        (
            "ownership.yaml",
            "stage: poc",
            "stage: done",
            "system.stage: Input should be 'poc', 'pilot' or 'production'",
        ),
        ("ownership.yaml", "since: 2026-05-02", "since: soon", "system.since: "),
        ("ownership.yaml", "name: Bea Invented", "name: {first: Bea}", "people[2].name: "),
        (
            "ownership.yaml",
            "deputy: author",
            "deputy: nobody",
            "people: platform_owner: deputy 'nobody' is not in people",
        ),
        ("ownership.yaml", "via: api", "via: pigeon", "consumers[0].via: "),
        ("ownership.yaml", "action: hire", "action: hope", "skills.gaps[0].action: "),
        ("problem.yaml", "baseline: 175000", "baseline: much", "value.baseline: "),
        ("problem.yaml", "direction: down", "direction: sideways", "value.direction: "),
        ("problem.yaml", "by: 2026-09-30", "by: 30.9.2026", "kill_criteria[0].by: "),
        ("problem.yaml", "option: heuristic", "option: magic", "alternatives[0].option: "),
        (
            "risk.yaml",
            "about_people: true",
            "about_people: perhaps",
            "tier_questions.about_people: ",
        ),
        ("risk.yaml", "eu_ai_act: limited", "eu_ai_act: none", "classification.eu_ai_act: "),
        ("risk.yaml", "retention_days: 365", "retention_days: a year", "logging.retention_days: "),
        ("change_plan.yaml", "completed: 9", "completed: -9", "training[0].completed: "),
        ("change_plan.yaml", "mode: assist", "mode: boost", "rollout[1].mode: "),
        (
            "change_plan.yaml",
            "limits_first: true",
            "limits_first: later",
            "communications[0].limits_first: ",
        ),
        ("gates.yaml", "override_stop: 0.3", "override_stop: .inf", "people.override_stop: "),
        ("gates.yaml", "threshold: 0", "threshold: .nan", "gates[0].threshold: "),
    ],
)
def test_invalid_value_is_refused_with_its_key_and_what_works(
    filled: Filled, name: str, before: str, after: str, key: str
) -> None:
    filled.change(name, before, after)
    with pytest.raises(GovernanceError) as refusal:
        read_governance(filled.folder)
    assert str(filled.folder / name) in str(refusal.value)
    assert key in str(refusal.value)


def test_errors_of_all_files_are_reported_together(filled: Filled) -> None:
    for name in FILES:
        (filled.folder / name).write_text("color: red")
    with pytest.raises(GovernanceError) as refusal:
        read_governance(filled.folder)
    assert all(str(filled.folder / name) in str(refusal.value) for name in FILES)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("ownership.yaml", True),
        ("gates.yaml", True),
        ("problem.yaml", False),
        ("risk.yaml", False),
        ("change_plan.yaml", False),
    ],
)
def test_two_files_are_required_and_the_others_optional(
    filled: Filled, name: str, needed: bool
) -> None:
    (filled.folder / name).unlink()
    if needed:
        with pytest.raises(GovernanceError, match=r"no such file. What works"):
            read_governance(filled.folder)
    else:
        assert read_governance(filled.folder)


def test_file_is_parsed_again_only_after_an_edit(path: Path) -> None:
    path.write_text("on: full\n")
    first = read_yaml(path, Switch, "")
    assert read_yaml(path, Switch, "") is first
    path.write_text("on: half\n")
    assert read_yaml(path, Switch, "").on == "half"


def test_checks_read_no_file_again(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    org = filled.org
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("a check read a file"))
    monkeypatch.setattr(Filled, "org", org)
    assert filled.failing() == {}
