import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pyarrow as pa
import pytest
from conftest import silent
from seams import binary, given, parcels
from sklearn.ensemble import HistGradientBoostingClassifier

from mlprod.contract.schema import Fields
from mlprod.governance.gates import GateError
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry
from mlprod.training.runs import TrainingRun, compare_runs
from mlprod.training.runs_page import runs_page
from mlprod.training.runs_text import describe_runs


def trees(number: int) -> Callable[[Fields], Any]:
    return lambda fields: HistGradientBoostingClassifier(max_iter=number, random_state=0)


def without_stops() -> pa.Table:
    table = parcels()
    return table.set_column(table.column_names.index("stops"), "stops", pa.array([1] * 3_000))


@pytest.fixture(scope="module")
def runs(new_settings: Callable[[], Settings]) -> list[TrainingRun]:
    """Four runs, newest first: 20 trees, a refused one, a baseline, and one on other rows."""
    settings = new_settings()
    other = replace(binary, load=given(parcels(seed=1)))
    train_with_governance(other, settings, silent, kind="baseline")
    train_with_governance(binary, settings, silent, kind="baseline")
    useless = replace(binary, load=given(without_stops()), build_model=trees(2))
    with pytest.raises(GateError):
        train_with_governance(useless, settings, silent)
    train_with_governance(replace(binary, build_model=trees(20)), settings, silent)
    return compare_runs(Registry(settings))


def test_each_run_has_its_gates_settings_and_value_also_the_refused_one(
    runs: list[TrainingRun],
) -> None:
    newest, refused, baseline, _ = runs
    assert (newest.result, newest.version) == ("passed", 3)
    assert newest.value
    assert newest.value.low < newest.value.value < newest.value.high
    assert refused.result == "refused by beats-baseline, holds-champion" or (
        refused.result == "refused by beats-baseline"
    )
    assert refused.version is None
    assert refused.settings["HistGradientBoostingClassifier.max_iter"] == "2"
    assert refused.inputs == ("weight", "stops", "courier", "city", "express", "distance")
    assert (baseline.tags["kind"], baseline.inputs, baseline.settings) == ("baseline", (), {})


def test_second_run_with_the_same_bundle_names_the_same_version(settings: Settings) -> None:
    for _ in range(2):
        train_with_governance(binary, settings, silent, kind="baseline")
    again, first = compare_runs(Registry(settings))
    assert again.id != first.id
    assert (again.version, first.version) == (1, 1)
    assert again.difference is None
    assert first.outcome == "no sure difference"


def test_runs_on_the_same_test_rows_are_compared_with_the_newest_pair_by_pair(
    runs: list[TrainingRun],
) -> None:
    newest, refused, baseline, _ = runs
    for run in (refused, baseline):
        assert run.outcome == "surely lower"
        assert run.difference
        assert run.value
        assert newest.value
        assert run.difference.value == pytest.approx(run.value.value - newest.value.value)
        assert run.difference.low < run.difference.value < run.difference.high < 0
    assert newest.difference is None


def test_run_on_other_rows_is_marked_and_not_compared(runs: list[TrainingRun]) -> None:
    assert runs[3].incomparable.startswith("other test rows")
    assert runs[3].difference is None


def test_table_has_one_line_a_run_and_shows_the_settings_that_differ(
    runs: list[TrainingRun],
) -> None:
    lines = list(describe_runs(runs))
    for run in runs:
        assert len([line for line in lines if line.startswith(f"{run.name} ")]) == 1
    (refused,) = [line for line in lines if line.startswith(runs[1].name)]
    assert "refused by beats-baseline" in refused
    assert "max_iter=2" in refused
    assert "surely lower" in refused
    assert lines.index(f"Not comparable with {runs[0].name}:") == len(lines) - 2


def test_features_that_changed_are_named(runs: list[TrainingRun]) -> None:
    newest = replace(runs[0], tags=runs[0].tags | {"inputs": "stops, night"})
    (line,) = [line for line in describe_runs([newest, runs[1]]) if line.startswith(runs[1].name)]
    assert "6 +weight +courier +city +express +distance -night" in line


class Page(HTMLParser):
    """The tags of a page, and the addresses that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_page_needs_no_other_file_and_describes_each_picture(runs: list[TrainingRun]) -> None:
    text = runs_page("parcels", runs)
    page = Page(text)
    assert page.addresses == []
    assert "script" not in page.seen
    assert page.seen.count("svg") == page.seen.count("desc") == 2
    assert text.count('role="img"') == 2
    assert '<html lang="en">' in text
    assert text.count('<th scope="row">') == 3
    for run in runs:
        assert run.name in text
    assert re.search(rf"<desc>{runs[0].name} -?[\d.]+ \(", text)


def test_text_of_a_run_cannot_become_markup(runs: list[TrainingRun]) -> None:
    named = replace(runs[1], tags=runs[1].tags | {"refused_by": "<script>x</script>"})
    assert "<script>" not in runs_page("<b>", [runs[0], named])
