"""Measure the drift alerts of the baked rules on days without drift and days with a planted shift.

python alarms.py DAYS SEED

Runs in the folder of a baked project. It simulates the counters of a service every ten minutes, for
a number with a normal distribution. Its mean and the traffic follow the time of day. promtool
evaluates the rules each hour and lists the firing alerts. Prints one line. Raises AssertionError if
more than MAX_FALSE of the quiet field-days have an alert, or if the rules detect fewer than
MIN_FOUND of the shifts at the highest traffic.
"""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

RULES = Path("monitoring/prometheus/model.rules.yml")
# The first day is not evaluated. STEP is in minutes.
DAYS, STEP = int(sys.argv[1]) + 1, 10
# Number of fields of each kind.
FIELDS = 10
# Rows an hour.
TRAFFIC = (10, 100, 1_000)
# In standard deviations: the variation of the mean over the day, and the planted shift.
RHYTHM, SHIFT = 0.3, 0.2
# Share of the field-days without a shift.
MAX_FALSE = 0.01
# Share of the planted shifts at the highest traffic.
MIN_FOUND = 0.9
REFERENCE_ROWS = 20_000
TICKS = DAYS * 24 * 60 // STEP
HOUR = np.arange(TICKS) * STEP / 60


def main() -> None:
    random = np.random.Generator(np.random.Philox(int.from_bytes(sys.argv[2].encode()[:16], "big")))
    with TemporaryDirectory() as name:
        folder = Path(name)
        hourly = re.sub(r"interval: \w+", "interval: 1h", RULES.read_text())
        (folder / "rules.yml").write_text(hourly)
        (folder / "test.yml").write_text(json.dumps(tests(random)))
        done = subprocess.run(
            ["promtool", "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True
        )
    result = alarms(done.stdout + done.stderr)
    print(
        "; ".join(
            f"at {traffic:,} rows an hour {entry['false']:g} false alarms on "
            f"{entry['days']:g} field-days, "
            f"{entry['found']:g} of {entry['planted']:g} shifts of {SHIFT:g} sd found, "
            f"half within {entry['hours']:g} h"
            for traffic, entry in result.items()
        )
    )
    false, days = (sum(item[name] for item in result.values()) for name in ("false", "days"))
    assert false <= math.ceil(MAX_FALSE * days), f"{false:g} false alarms on {days:g} field-days"
    most = result[max(TRAFFIC)]
    assert most["found"] >= MIN_FOUND * most["planted"], (
        f"{most['found']:g} of {most['planted']:g} shifts found"
    )


def tests(random: np.random.Generator) -> dict[str, object]:
    series = [
        {
            "series": 'ml_model_info{job="ml-service", reference="r", version="1"}',
            "values": f"1x{TICKS}",
        }
    ]
    for traffic in TRAFFIC:
        for kind, shift in (("quiet", 0.0), ("shifted", SHIFT)):
            for number in range(FIELDS):
                series += one_field(f"{kind}-{traffic}-{number}", traffic, shift, random)
    requested = [
        {"eval_time": f"{hour}h", "alertname": "FeatureDrift", "exp_alerts": []}
        for hour in range(30, DAYS * 24)
    ]
    test = {"interval": f"{STEP}m", "input_series": series, "alert_rule_test": requested}
    return {"rule_files": ["rules.yml"], "evaluation_interval": "1h", "tests": [test]}


def one_field(
    name: str, traffic: int, shift: float, random: np.random.Generator
) -> list[dict[str, str]]:
    """Return the cumulative counts by deciles of the reference, and the reference shares."""
    often = traffic * STEP / 60 * (1 + 0.8 * np.sin(2 * np.pi * HOUR / 24))
    reference = values(random.choice(TICKS, REFERENCE_ROWS, p=often / often.sum()), random)
    edges = np.quantile(reference, np.arange(1, 10) / 10)
    ticks = np.repeat(np.arange(TICKS), random.poisson(often))
    codes = np.searchsorted(edges, values(ticks, random) + shift)
    counts = np.zeros((TICKS, len(edges) + 1), dtype=np.int64)
    np.add.at(counts, (ticks, codes), 1)
    received = counts.cumsum(axis=1).cumsum(axis=0)
    shares = [*np.searchsorted(np.sort(reference), edges, side="right") / REFERENCE_ROWS, 1.0]
    labels = f'job="ml-service", field="{name}", reference="r"'
    result = [
        {"series": f"ml_feature_reference_rows{{{labels}}}", "values": f"{REFERENCE_ROWS}x{TICKS}"}
    ]
    for place, share in enumerate(shares):
        le = f'{labels}, le="{edges[place] if place < len(edges) else "+Inf"}"'
        result.append(
            {
                "series": f"ml_feature_bucket_total{{{le}}}",
                "values": " ".join(map(str, received[:, place])),
            }
        )
        result.append(
            {"series": f"ml_feature_reference_ratio{{{le}}}", "values": f"{share}x{TICKS}"}
        )
    return result


def values(ticks: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    return random.normal(RHYTHM * np.sqrt(2) * np.sin(2 * np.pi * HOUR[ticks] / 24 + 1), 1)


def alarms(output: str) -> dict[int, dict[str, float]]:
    """Return by traffic: false alerts, detected shifts and the median hours until detection."""
    result: dict[str, dict[int, set[str]]] = {}
    first: dict[str, int] = {}
    hour = 0
    for line in output.splitlines():
        if at := re.search(r"time: (?:(\d+)d)?(?:(\d+)h)?", line):
            hour = 24 * int(at[1] or 0) + int(at[2] or 0)
        for field in re.findall(r'field="([^"]+)"', line):
            result.setdefault(field, {}).setdefault(hour // 24, set()).add(field)
            first.setdefault(field, hour)
    summary = {}
    for traffic in TRAFFIC:
        quiet = [f"quiet-{traffic}-{number}" for number in range(FIELDS)]
        shifted = [f"shifted-{traffic}-{number}" for number in range(FIELDS)]
        hours = sorted(first[name] for name in shifted if name in first)
        summary[traffic] = {
            "false": sum(len(result.get(name, {})) for name in quiet),
            "days": FIELDS * (DAYS - 1),
            "found": len(hours),
            "planted": FIELDS,
            "hours": float(np.median(hours)) if hours else float("nan"),
        }
    return summary


if __name__ == "__main__":
    main()
