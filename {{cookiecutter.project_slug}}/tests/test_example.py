"""Tests of the example. REPLACE them by your own, with the four files."""

from datetime import timedelta
from typing import Any

import pytest
from mlprod.testing import report_of

from {{cookiecutter.package_name}} import data
from {{cookiecutter.package_name}}.data import NEW_MERCHANT_DAY, PER_DAY, START, load
from {{cookiecutter.package_name}}.decision import decide, payoff


def rows(first: int, last: int) -> list[dict[str, Any]]:
    """The payments of some days, as known at the end of the last."""
    table = load(START + timedelta(days=first), START + timedelta(days=last))
    result: list[dict[str, Any]] = table.order_by("transaction_id").to_pyarrow().to_pylist()
    return result


def test_the_stream_is_the_same_at_every_call_and_has_no_end() -> None:
    assert rows(0, 2) == rows(0, 2)
    assert len(rows(1_000, 1_003)) == 3 * PER_DAY


def test_a_later_end_changes_nothing_but_labels_that_become_known() -> None:
    early, late = rows(0, 5), rows(0, 30)[: 5 * PER_DAY]
    assert [row | {"fraud": None} for row in early] == [row | {"fraud": None} for row in late]
    pairs = zip(early, late, strict=True)
    assert all(before["fraud"] in (None, after["fraud"]) for before, after in pairs)


def test_vouchers_appear_late_and_are_counted_as_unknown() -> None:
    new = START + timedelta(days=NEW_MERCHANT_DAY)
    for day, unknown in ((new - timedelta(days=1), False), (new, True)):
        table = load(day, day + timedelta(days=1)).mutate(fraud=0)
        assert (report_of(str(data.__package__), table).unknown["merchant"] > 0) is unknown


@pytest.mark.parametrize(
    ("score", "fraud", "worth"), [(0.9, 1, 0.0), (0.9, 0, -15.0), (0.1, 1, -100.0), (0.1, 0, 1.0)]
)
def test_a_decision_costs_fee_goodwill_or_amount(score: float, fraud: int, worth: float) -> None:
    assert payoff(decide(score, 0.5), fraud, {"amount": 100.0}) == worth
