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
from mlprod.training.plots import draw_plots
from mlprod.training.sources import load_table

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
    return draw_plots(seam, task, rows, scores, threshold, result, baseline)


def texts(picture: bytes) -> list[str]:
    """Return the texts in a plot. Raises ParseError if it is not XML."""
    drawing = ElementTree.fromstring(picture)  # noqa: S314
    return ["".join(element.itertext()) for element in drawing.iter() if is_text(element)]


def is_text(element: ElementTree.Element) -> bool:
    return element.tag.endswith("}text")


def with_courier(name: str) -> Dataset:
    couriers = np.where(ROWS.columns["courier"] == "bike", name, "van").astype(object)
    return replace(ROWS, columns={**ROWS.columns, "courier": couriers})


def test_classifier_has_three_plots_with_texts() -> None:
    result = drawn()
    assert sorted(result) == ["calibration.svg", "money.svg", "slices.svg"]
    assert "share of rows with late = 1" in texts(result["calibration.svg"])
    assert any(f"{len(ROWS):,} test rows" in line for line in texts(result["calibration.svg"]))
    assert "mean payoff per row, in money" in texts(result["money.svg"])


def test_plot_shows_the_chosen_threshold_and_the_baseline() -> None:
    threshold = choose_threshold(binary, ROWS, SCORES)
    payoff = payoffs(binary, ROWS, SCORES, threshold).mean()
    today = payoffs(binary, ROWS, binary.baseline(ROWS.columns), threshold).mean()
    lines = texts(drawn()["money.svg"])
    assert any(
        line.startswith(f"chosen threshold {threshold:.4g}: {payoff:.4g}; ") for line in lines
    )
    assert any(line.endswith(f"chosen for it: {today:.4g}") for line in lines)


def test_worst_slice_is_at_the_top() -> None:
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


def test_only_a_slice_that_is_surely_worse_is_marked_as_worse() -> None:
    unsure = np.random.Generator(np.random.Philox(0)).normal(0, 1, len(ROWS))
    none = evaluate(PARCELS, "binary", ROWS, SCORES, np.zeros(len(ROWS)))
    marked = [
        draw_plots(
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


def test_same_figures_give_the_same_bytes_with_any_matplotlib_settings() -> None:
    before = drawn()
    with matplotlib.rc_context(
        {"text.usetex": True, "font.size": 30, "svg.fonttype": "path", "svg.hashsalt": "mine"}
    ):
        assert drawn() == before
        assert matplotlib.rcParams["font.size"] == 30
    assert all(b"<dc:date>" not in picture for picture in before.values())


def test_without_slices_of_enough_rows_there_is_no_plot_of_slices() -> None:
    assert "slices.svg" not in drawn(replace(binary, terms=replace(PARCELS, slices=())))
    assert "slices.svg" not in drawn(rows=ROWS.subset(np.arange(40)), scores=SCORES[:40])


def test_baseline_is_not_compared_with_itself() -> None:
    result = evaluate(PARCELS, "binary", ROWS, SCORES, payoffs(binary, ROWS, SCORES, 0.5))
    assert sorted(draw_plots(binary, "binary", ROWS, SCORES, 0.5, result, result)) == [
        "calibration.svg",
        "money.svg",
    ]


def test_regression_has_no_plot_of_thresholds() -> None:
    rows = collect(load_table(regression.load), regression.terms)
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
def test_extreme_labels_and_scores_are_drawn(
    y: NDArray[np.float64], scores: NDArray[np.float64]
) -> None:
    rows = replace(ROWS, y=y)
    result = evaluate(replace(PARCELS, slices=()), "regression", rows, scores, np.ones(len(rows)))
    for picture in draw_plots(binary, "binary", rows, scores, 0.3, result, result).values():
        assert not [line for line in texts(picture) if "nan" in line or "inf" in line]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_shown_as_text(name: str) -> None:
    result = drawn(replace(binary, terms=replace(PARCELS, label=name)), rows=with_courier(name))
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    for picture, before in (("slices.svg", "courier="), ("calibration.svg", "share of rows with ")):
        assert any(line.startswith(before + shown[:30]) for line in texts(result[picture]))


def test_plot_of_many_slices_shows_the_worst() -> None:
    rows = ROWS.subset(np.repeat(np.arange(len(ROWS)), 6))
    names = np.array([f"c{row % 60:02d}" for row in range(len(rows))], dtype=object)
    many = replace(rows, columns={**rows.columns, "courier": names})
    result = drawn(
        replace(binary, terms=replace(PARCELS, slices=("courier",))),
        rows=many,
        scores=np.repeat(SCORES, 6),
    )
    lines = texts(result["slices.svg"])
    assert "For whom? Value minus the baseline's in the 40 worst of 60 slices" in lines
    assert sum(line.startswith("courier=") for line in lines) == 40


def test_payoff_is_called_once_for_each_row_and_decision() -> None:
    calls: list[object] = []

    def counted(decision: str, outcome: float, row: object) -> float:
        calls.append(decision)
        return -1.0 if decision == "call" else -5.0 * outcome

    result = evaluate(PARCELS, "binary", ROWS, SCORES, payoffs(binary, ROWS, SCORES, 0.5))
    draw_plots(replace(binary, payoff=counted), "binary", ROWS, SCORES, 0.5, result, result)
    assert len(calls) <= 2 * len(ROWS)
