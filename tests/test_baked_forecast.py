"""A public time series goes the whole way of a project, from lags to outcomes. Slow."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_baked_life import (
    USECASES,
    Project,
    environment,
    post,
    post_json,
    project,
    public_data,
    wait_for_version,
)

__all__ = ["environment", "project"]  # fixtures
pytestmark = pytest.mark.slow

# Prints a file of scores as JSON; the template's own environment does not have pyarrow.
SHOW = """import json, sys
import pyarrow.parquet as pq
print(json.dumps(pq.read_table(sys.argv[1]).drop_columns(["at"]).to_pylist()))
"""


@pytest.fixture
def weather(tmp_path: Path) -> list[dict[str, str]]:
    """Return the days of the series that vega-datasets ships."""
    folder = public_data(tmp_path) / "vega_datasets" / "_data"
    with (folder / "seattle-weather.csv").open() as file:
        return list(csv.DictReader(file))


def write_days(project: Project, days: list[dict[str, str]]) -> None:
    (project.path / "data").mkdir(exist_ok=True)
    with (project.path / "data" / "seattle-weather.csv").open("w") as file:
        writer = csv.DictWriter(file, list(days[0]))
        writer.writeheader()
        writer.writerows(days)


def test_public_time_series_is_forecast_by_editing_only_the_five_files(
    project: Project, weather: list[dict[str, str]]
) -> None:
    december = [day for day in weather if day["date"] >= "2015/12/01"]
    write_days(project, weather[: -len(december)])
    for source in (USECASES / "weather").glob("*.py"):
        shutil.copy(source, project.source)
    # This file tests the example.
    (project.path / "tests" / "test_example.py").unlink()
    assert "0 rules broken" in project.makes("validate")
    project.makes("baseline")
    project.makes("promote", REASON="the rule goes first")
    trained = project.makes("train")
    assert len(re.findall(r"backtest +from 20\d\d-", trained)) == 5
    assert "backtest   WARNING" not in trained
    assert re.search(r"refit +on all 1,396 rows, until 2015-11-30", trained)
    assert "passed refit-agrees: refit_difference = " in trained
    project.makes("promote", REASON="it beats last week")
    project.makes("report")
    card = (project.path / "var" / "report" / "card.md").read_text()
    assert "Worth more than the baseline in 5 of 5 windows" in card
    assert "fitted again on all 1,396 rows, until 2015-11-30" in card

    scored = project.makes("score", "UPCOMING=yes", "SINCE=2015-12-01", "UNTIL=2015-12-08")
    assert re.search(r"7 rows, version 2, \w+: .*upcoming-20151201T0000-20151208T0000", scored)
    assert "7 recorded" in scored
    file = next((project.path / "var" / "scores").glob("upcoming-*.parquet"))
    forecasts = rows_of(project, file)
    assert [row["day"] for row in forecasts] == [f"seattle 2015-12-0{day}" for day in range(1, 8)]
    errors = [
        abs(row["score"] - float(day["temp_max"]))
        for row, day in zip(forecasts, december, strict=False)
    ]
    assert sum(errors) / len(errors) < 6
    refused = project.make("score", "UPCOMING=yes")
    assert refused.returncode != 0
    assert "upcoming() returned no rows from " in refused.stderr
    assert "Traceback" not in refused.stderr

    row = {"day_of_year": 335, "temp_max_7": 7.2, "temp_min_7": -1.0, "mean_28": 10.1}
    with project.serving() as address:
        assert wait_for_version(address, "2")["kind"] == "model"
        answered = post(f"{address}/v1/predict", [row])["predictions"][0]
        assert answered["decision"] == round(10 * answered["score"])
        explained = post(f"{address}/v1/explain", [row])["explanations"][0]["fields"]
        assert {field["field"] for field in explained} == set(row)
        outcomes = [
            {
                "prediction_id": row["day"],
                "outcome": float(day["temp_max"]),
                "at": f"{day['date'].replace('/', '-')}T23:00:00Z",
            }
            for row, day in zip(forecasts, december, strict=False)
        ]
        assert post_json(f"{address}/v1/outcomes", {"outcomes": outcomes})["accepted"] == 7
        # The exit code depends on the season.
        project.make("drift", "SINCE=2015-11-01", "UNTIL=2015-12-01")
        assert "temp_max_7" in (project.path / "var" / "drift" / "report.html").read_text()
        # December is known. The champion has learned all rows before it.
        write_days(project, weather)
        retrained = project.makes("retrain", "REASON=December is known")
        assert "outcomes   7 in" in retrained
        assert (
            "champion   has learned the rows until 2015-11-30T00:00:00, so both are compared on "
            "31 later test rows" in retrained
        )
        project.makes("rollback", REASON="complaints since noon")
        assert wait_for_version(address, "1")["kind"] == "baseline"
    assert "datacontract.yaml" in project.makes("generate")
    assert "Success" in project.makes("check")


def rows_of(project: Project, file: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [project.python, "-c", SHOW, file], capture_output=True, text=True, check=True
    )
    return list(json.loads(done.stdout))
