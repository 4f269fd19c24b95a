from dataclasses import replace
from xml.etree import ElementTree

import ibis
import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from seams import PARCELS, binary, parcels, regression

from mlprod.contract.schema import Task
from mlprod.project.project import Seam
from mlprod.training.dataset import Dataset, collect
from mlprod.training.evaluate import evaluate
from mlprod.training.fit import choose_threshold, payoffs
from mlprod.training.plots import pictures
from mlprod.training.sources import loaded

ROWS = collect(ibis.memtable(parcels(600)), PARCELS)
SCORES = ROWS.columns["stops"] / 50
HOSTILE = [
    '<b>|$x$ & -- "',
    "$\\frac{$",
    "\x00\ud800\ufffe]]>",
    "東京",
    "a" * 300,
    "%s {0} \\u0041",
]


def drawn(
    seam: Seam = binary,
    task: Task = "binary",
    rows: Dataset = ROWS,
    scores: NDArray[np.float64] = SCORES,
) -> dict[str, bytes]:
    today = seam.baseline(rows.columns)
    threshold = choose_threshold(seam, rows, scores)
    result, baseline = (
        evaluate(seam.terms, task, rows, values, payoffs(seam, rows, values, threshold))
        for values in (scores, today)
    )
    return pictures(seam, task, rows, scores, threshold, result, baseline)


def texts(picture: bytes) -> list[str]:
    """The words in a picture. Raises ParseError when it is no XML."""
    drawing = ElementTree.fromstring(picture)  # noqa: S314
    return ["".join(element.itertext()) for element in drawing.iter() if is_text(element)]


def is_text(element: ElementTree.Element) -> bool:
    return element.tag.endswith("}text")


def with_courier(name: str) -> Dataset:
    couriers = np.where(ROWS.columns["courier"] == "bike", name, "van").astype(object)
    return replace(ROWS, columns={**ROWS.columns, "courier": couriers})


def test_a_classifier_is_shown_in_three_pictures_with_words() -> None:
    result = drawn()
    assert sorted(result) == ["calibration.svg", "money.svg", "slices.svg"]
    assert "share of rows with late = 1" in texts(result["calibration.svg"])
    assert any(f"{len(ROWS):,} test rows" in line for line in texts(result["calibration.svg"]))
    assert "mean payoff, money for each row" in texts(result["money.svg"])


def test_the_chosen_threshold_and_the_baseline_are_in_the_picture() -> None:
    threshold = choose_threshold(binary, ROWS, SCORES)
    worth = payoffs(binary, ROWS, SCORES, threshold).mean()
    today = payoffs(binary, ROWS, binary.baseline(ROWS.columns), threshold).mean()
    message = texts(drawn()["money.svg"])
    assert any(
        line.startswith(f"chosen threshold {threshold:.4g}: {worth:.4g}; ") for line in message
    )
    assert any(line.endswith(f"chosen for it: {today:.4g}") for line in message)


def test_the_worst_slice_is_at_the_top() -> None:
    places = {
        line.partition(" (")[0]: float(
            element.get("y") or element.get("transform", "").split()[-1].rstrip(")")
        )
        for element in ElementTree.fromstring(drawn()["slices.svg"]).iter()  # noqa: S314
        if is_text(element) and "=" in (line := "".join(element.itertext()))
    }
    threshold, today = choose_threshold(binary, ROWS, SCORES), binary.baseline(ROWS.columns)
    less = payoffs(binary, ROWS, SCORES, threshold) - payoffs(binary, ROWS, today, threshold)
    masks = {f"courier={name}": ROWS.columns["courier"] == name for name in ("bike", "van")}
    masks |= {
        f"express={name}": ROWS.columns["express"] == flag
        for name, flag in (("true", 1), ("false", 0))
    }
    assert sorted(places, key=places.__getitem__) == sorted(
        masks, key=lambda part: less[masks[part]].mean()
    )


def test_only_what_is_surely_worse_is_marked_as_worse() -> None:
    unsure = np.random.Generator(np.random.Philox(0)).normal(0, 1, len(ROWS))
    none = evaluate(PARCELS, "binary", ROWS, SCORES, np.zeros(len(ROWS)))
    marked = [
        pictures(
            binary,
            "binary",
            ROWS,
            SCORES,
            0.5,
            evaluate(PARCELS, "binary", ROWS, SCORES, worth),
            none,
        )
        for worth in (unsure, np.where(ROWS.columns["courier"] == "bike", -1.0, unsure))
    ]
    legend_only, marks = (result["slices.svg"].count(b"#d55e00") for result in marked)
    assert marks > legend_only


def test_the_same_figures_give_the_same_bytes_whatever_the_reader_likes() -> None:
    before = drawn()
    with matplotlib.rc_context(
        {"text.usetex": True, "font.size": 30, "svg.fonttype": "path", "svg.hashsalt": "mine"}
    ):
        assert drawn() == before
        assert matplotlib.rcParams["font.size"] == 30
    assert all(b"<dc:date>" not in picture for picture in before.values())


def test_without_slices_of_enough_rows_none_are_drawn() -> None:
    assert "slices.svg" not in drawn(replace(binary, terms=replace(PARCELS, slices=())))
    assert "slices.svg" not in drawn(rows=ROWS.take(np.arange(40)), scores=SCORES[:40])


def test_the_baseline_is_not_compared_with_itself() -> None:
    result = evaluate(PARCELS, "binary", ROWS, SCORES, payoffs(binary, ROWS, SCORES, 0.5))
    assert sorted(pictures(binary, "binary", ROWS, SCORES, 0.5, result, result)) == [
        "calibration.svg",
        "money.svg",
    ]


def test_a_regression_is_shown_without_a_threshold() -> None:
    rows = collect(loaded(regression.load), regression.terms)
    result = drawn(regression, "regression", rows, rows.y + 100)
    assert list(result) == ["calibration.svg"]
    assert {"mean of the predicted label", "mean of the observed label"} <= set(
        texts(result["calibration.svg"])
    )


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    ("y", "scores"),
    [
        (np.zeros(len(ROWS)), SCORES),
        (np.ones(len(ROWS)), SCORES),
        (ROWS.y, np.full(len(ROWS), 0.3)),
        (ROWS.y, np.zeros(len(ROWS))),
        (ROWS.y, SCORES - 3),
        (ROWS.y, SCORES**20),
    ],
    ids=["none happened", "all happened", "one score", "only zeros", "negative scores", "rare"],
)
def test_odd_labels_and_scores_are_drawn(
    y: NDArray[np.float64], scores: NDArray[np.float64]
) -> None:
    rows = replace(ROWS, y=y)
    result = evaluate(replace(PARCELS, slices=()), "regression", rows, scores, np.ones(len(rows)))
    for picture in pictures(binary, "binary", rows, scores, 0.3, result, result).values():
        assert not [line for line in texts(picture) if "nan" in line or "inf" in line]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(name: str) -> None:
    result = drawn(replace(binary, terms=replace(PARCELS, label=name)), rows=with_courier(name))
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    for picture, before in (("slices.svg", "courier="), ("calibration.svg", "share of rows with ")):
        assert any(line.startswith(before + shown[:30]) for line in texts(result[picture]))


def test_of_many_slices_the_worst_are_shown() -> None:
    rows = ROWS.take(np.repeat(np.arange(len(ROWS)), 6))
    names = np.array([f"c{row % 60:02d}" for row in range(len(rows))], dtype=object)
    many = replace(rows, columns={**rows.columns, "courier": names})
    result = drawn(
        replace(binary, terms=replace(PARCELS, slices=("courier",))),
        rows=many,
        scores=np.repeat(SCORES, 6),
    )
    message = texts(result["slices.svg"])
    assert "For whom? Value less the baseline's in the 40 worst of 60 slices" in message
    assert sum(line.startswith("courier=") for line in message) == 40


def test_a_payoff_is_asked_once_for_each_row_and_decision() -> None:
    requested: list[object] = []

    def counted(decision: str, outcome: float, row: object) -> float:
        requested.append(decision)
        return -1.0 if decision == "call" else -5.0 * outcome

    result = evaluate(PARCELS, "binary", ROWS, SCORES, payoffs(binary, ROWS, SCORES, 0.5))
    pictures(replace(binary, payoff=counted), "binary", ROWS, SCORES, 0.5, result, result)
    assert len(requested) <= 2 * len(ROWS)
