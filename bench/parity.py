"""Rows on which the exported model says something else than the fitted estimator: our design, and
those it avoids.
"""

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
    """The table's lines. One run each: the same seed gives the same answer."""
    data.mkdir(parents=True, exist_ok=True)
    result = {}
    for design in ("ours", *AVOIDED):
        timed(
            [python, SIDES / "designs.py", design, ROWS],
            environment(PYTHONPATH=sources(project)),
            data / "said",
        )
        result[design] = json.loads((data / "said").read_text().splitlines()[-1])
    return [
        Line(
            f"parity: of {ROWS:,} made-up rows, off by more than 1e-5",
            words(result["ours"]),
            f"{says}: {words(result[design])}",
            target="0 rows",
            met=result["ours"].get("off") == 0,
        )
        for design, says in AVOIDED.items()
    ]


def words(result: dict[str, float | str]) -> str:
    if "refused" in result:
        return f"refused at export ({str(result['refused'])[:120]})"
    return f"{result['off']:,} (largest difference {result['largest']:.1g})"
