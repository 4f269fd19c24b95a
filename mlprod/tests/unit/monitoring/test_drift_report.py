import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import ibis
import numpy as np
import pyarrow as pa
import pytest

from mlprod.bundle.reference_profile import describe
from mlprod.contract.schema import Field, Fields
from mlprod.monitoring.drift import Drift, compare
from mlprod.monitoring.drift_counts import count
from mlprod.monitoring.drift_report import page
from mlprod.monitoring.drift_text import DriftReportHeader, lines, sentence, short, summary

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
    learnt = describe(fields, {"weight": weight, "city": cities, "calm": calm}, calm)
    table = pa.table(
        {
            "weight": RANDOM.normal(shift, 1, rows),
            "calm": RANDOM.normal(0, 1, rows),
            "city": [word] * rows,
        }
    )
    return compare(learnt, count(ibis.memtable(table), fields, learnt))


def test_the_worst_field_comes_first_in_words_and_bars() -> None:
    result = drifts(shift=3.0)
    content = page(FACTS, result)
    assert re.findall(r"<h2>(.*?)</h2>", content) == [
        "weight: drifts", "city: drifts", "What to do", "The others", "calm: as learnt",
    ]  # fmt: skip
    assert "weight and city have drifted, by 4,000 rows." in content
    assert "“bergen”: 50.0% of the rows that the model learnt from, 0.0% now." in content
    for picture in re.findall(r"<svg.*?</svg>", content, re.DOTALL):
        assert len(list(ElementTree.fromstring(picture).iter("rect"))) >= 2 + 2 * 3  # noqa: S314 - made here


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    content = page(FACTS, drifts())
    tags = Tags(content)
    assert not {"script", "link", "img", "iframe", "object"} & set(tags.seen)
    assert not [name for name, _ in tags.attributes if name in ("src", "href", "onload", "onclick")]
    assert "://" not in content


def test_hostile_words_are_only_words_on_the_page() -> None:
    facts = DriftReportHeader(HOSTILE, HOSTILE, 4_000, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    content = page(facts, drifts(HOSTILE), [HOSTILE])
    assert set(Tags(content).seen) == set(Tags(page(FACTS, drifts(), ["odd"])).seen)
    assert "alert(" in content
    assert not {"\x07", "\u202e"} & set(content)
    assert not {"\x07", "\u202e"} & set(short(HOSTILE))


def test_nothing_and_too_little_are_told_apart() -> None:
    calm = [item for item in drifts() if item.name == "calm"]
    assert summary(FACTS, calm) == "Nothing has drifted, by 4,000 rows."
    few = DriftReportHeader("parcels", "some", 99, "7", "f" * 64, "")
    assert summary(few, calm) == "99 rows are too few to say that nothing has drifted."
    assert "What to do" not in page(FACTS, calm)


def test_a_number_is_told_by_the_limit_where_the_difference_is_largest() -> None:
    (weight,) = (item for item in drifts(shift=1.0) if item.name == "weight")
    message = sentence(weight)
    share = sum(weight.reference.shares[: weight.reference.edges.index(weight.at) + 1])
    reference = format(share, ".1%")
    assert message.startswith(
        f"{reference} of the values that the model learnt from were {short(weight.at)} or less; "
    )
    assert message.endswith("more than the 5.0% that are allowed.")


def test_in_a_terminal_each_field_is_a_line() -> None:
    result = list(lines(FACTS, drifts(shift=3.0)))
    assert [line.split()[0] for line in result[2:5]] == ["weight", "city", "calm"]
    assert result[-1] == "weight and city have drifted, by 4,000 rows."


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
def test_numbers_and_words_fit_a_line(message: Any, shown: str) -> None:
    assert short(message) == shown
    assert len(short("x" * 500)) == 60
