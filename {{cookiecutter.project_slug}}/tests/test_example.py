"""What the example promises. REPLACE these tests by yours, with the four files."""

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
    found: list[dict[str, Any]] = table.order_by("transaction_id").to_pyarrow().to_pylist()
    return found


def test_the_stream_is_the_same_at_every_call() -> None:
    assert rows(0, 2) == rows(0, 2)


def test_the_stream_goes_on_as_long_as_one_asks() -> None:
    assert len(rows(1_000, 1_003)) == 3 * PER_DAY


def test_asking_for_more_changes_nothing_but_labels_that_become_known() -> None:
    early, later = rows(0, 5), rows(0, 30)[: 5 * PER_DAY]
    assert [row | {"fraud": None} for row in early] == [row | {"fraud": None} for row in later]
    assert all(row["fraud"] in (None, then["fraud"]) for row, then in zip(early, later, strict=True))


def test_labels_settle_late() -> None:
    known = [sum(row["fraud"] is not None for row in rows(0, last)[:PER_DAY]) for last in (1, 10, 30)]
    assert 0 <= known[0] < known[1] < known[2] == PER_DAY


def test_vouchers_appear_late_and_are_counted_as_unknown() -> None:
    new = START + timedelta(days=NEW_MERCHANT_DAY)
    before, after = (load(new + timedelta(days=days), new + timedelta(days=days + 1)) for days in (-1, 0))
    unknown = [report_of(str(data.__package__), day.mutate(fraud=0)).unknown["merchant"] for day in (before, after)]
    assert unknown[0] == 0 < unknown[1]


@pytest.mark.parametrize(("score", "fraud", "worth"), [(0.9, 1, 0.0), (0.9, 0, -15.0), (0.1, 1, -100.0), (0.1, 0, 1.0)])
def test_a_decision_is_worth_fee_goodwill_or_the_amount(score: float, fraud: int, worth: float) -> None:
    assert payoff(decide(score, 0.5), fraud, {"amount": 100.0}) == worth
