import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import ibis
import numpy as np
import pyarrow as pa
import pytest

from mlprod.bundle.reference_profile import build_reference
from mlprod.contract.schema import Field, Fields
from mlprod.monitoring.drift import Drift, compare_distributions
from mlprod.monitoring.drift_counts import count_features
from mlprod.monitoring.drift_report import drift_page
from mlprod.monitoring.drift_text import (
    DriftReportHeader,
    describe_drift,
    drift_summary,
    short_text,
    terminal_lines,
)

HOSTILE = '</title><script>alert("1")</script>&\x07\u202e'
FACTS = DriftReportHeader("parcels", "the rows of a day", 4_000, "7", "f" * 64, "2026-06-15 12:30")
RANDOM = np.random.Generator(np.random.Philox(1))


class Tags(HTMLParser):
    def __init__(self, content: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs


def drifts(word: str = "oslo", shift: float = 1.0, rows: int = 4_000) -> list[Drift]:
    fields = Fields(
        (
            Field("weight", "number"),
            Field("city", "category", categories=("bergen", word), open=True),
            Field("calm", "number"),
        )
    )
    weight, calm = RANDOM.normal(0, 1, 9_000), RANDOM.normal(0, 1, 9_000)
    cities = np.array(["bergen", word] * 4_500, dtype=object)
    learnt = build_reference(fields, {"weight": weight, "city": cities, "calm": calm}, calm)
    table = pa.table(
        {
            "weight": RANDOM.normal(shift, 1, rows),
            "calm": RANDOM.normal(0, 1, rows),
            "city": [word] * rows,
        }
    )
    return compare_distributions(learnt, count_features(ibis.memtable(table), fields, learnt))


def test_page_puts_the_largest_drift_first_in_text_and_bars() -> None:
    result = drifts(shift=3.0)
    content = drift_page(FACTS, result)
    assert re.findall(r"<h2>(.*?)</h2>", content) == [
        "weight: drifts", "city: drifts", "What to do", "Other fields", "calm: no drift",
    ]  # fmt: skip
    assert "weight and city have drifted (4,000 rows compared)." in content
    assert "“bergen”: 50.0% of the training data, 0.0% now." in content
    for picture in re.findall(r"<svg.*?</svg>", content, re.DOTALL):
        assert len(list(ElementTree.fromstring(picture).iter("rect"))) >= 2 + 2 * 3  # noqa: S314 - made here


def test_page_loads_no_external_file_and_runs_no_script() -> None:
    content = drift_page(FACTS, drifts())
    tags = Tags(content)
    assert not {"script", "link", "img", "iframe", "object"} & set(tags.seen)
    assert not [name for name, _ in tags.attributes if name in ("src", "href", "onload", "onclick")]
    assert "://" not in content


def test_hostile_text_is_escaped_on_the_page() -> None:
    facts = DriftReportHeader(HOSTILE, HOSTILE, 4_000, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    content = drift_page(facts, drifts(HOSTILE), [HOSTILE])
    assert set(Tags(content).seen) == set(Tags(drift_page(FACTS, drifts(), ["an anomaly"])).seen)
    assert "alert(" in content
    assert not {"\x07", "\u202e"} & set(content)
    assert not {"\x07", "\u202e"} & set(short_text(HOSTILE))


def test_summary_distinguishes_no_drift_from_too_few_rows() -> None:
    calm = [item for item in drifts() if item.name == "calm"]
    assert drift_summary(FACTS, calm) == "No field has drifted (4,000 rows compared)."
    few = DriftReportHeader("parcels", "some", 99, "7", "f" * 64, "")
    assert drift_summary(few, calm) == "99 rows are too few to rule out drift."
    assert "What to do" not in drift_page(FACTS, calm)


def test_number_is_described_at_the_edge_with_the_largest_difference() -> None:
    (weight,) = (item for item in drifts(shift=1.0) if item.name == "weight")
    message = describe_drift(weight)
    share = sum(weight.reference.shares[: weight.reference.edges.index(weight.at) + 1])
    reference = format(share, ".1%")
    assert message.startswith(
        f"{reference} of the values in the training data were {short_text(weight.at)} or less; "
    )
    assert message.endswith("above the limit of 5.0%.")


def test_terminal_report_has_one_line_for_each_field() -> None:
    result = list(terminal_lines(FACTS, drifts(shift=3.0)))
    assert [line.split()[0] for line in result[2:5]] == ["weight", "city", "calm"]
    assert result[-1] == "weight and city have drifted (4,000 rows compared)."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (7.79629e-05, "0.00007796"),
        (118.882, "118.9"),
        (0.0, "0"),
        (-1234.5, "-1,234"),
        (3e20, "3e+20"),
        ("a\nb", "a\ufffdb"),
    ],
)
def test_numbers_and_text_fit_on_a_line(message: Any, shown: str) -> None:
    assert short_text(message) == shown
    assert len(short_text("x" * 500)) == 60
