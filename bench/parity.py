"""Rows with different scores of the exported model and the estimator, for several designs."""

import json
from pathlib import Path

from measure import Line, environment, sources, timed

SIDES = Path(__file__).parent / "sides"
ROWS = 200_000
AVOIDED = {
    "scaled": "a StandardScaler before the trees",
    "native": "scikit-learn's native categoricals",
    "ordinal": "native categoricals behind an OrdinalEncoder",
}


def lines(data: Path, project: Path, python: Path) -> list[Line]:
    """Return the lines of the table. One run each, because the seed determines the result."""
    data.mkdir(parents=True, exist_ok=True)
    result = {}
    for design in ("ours", *AVOIDED):
        timed(
            [python, SIDES / "designs.py", design, ROWS],
            environment(PYTHONPATH=sources(project)),
            data / "output",
        )
        result[design] = json.loads((data / "output").read_text().splitlines()[-1])
    return [
        Line(
            f"parity: of {ROWS:,} synthetic rows, off by more than 1e-5",
            formatted(result["ours"]),
            f"{title}: {formatted(result[design])}",
            target="0 rows",
            met=result["ours"].get("off") == 0,
        )
        for design, title in AVOIDED.items()
    ]


def formatted(result: dict[str, float | str]) -> str:
    if "refused" in result:
        return f"rejected at export ({str(result['refused'])[:120]})"
    return f"{result['off']:,} (largest difference {result['largest']:.1g})"
