"""Print the microseconds of a request with and without derive(), for one row and for many.

python derive.py FOLDER ROUNDS

Trains the example of the baked project twice. Both services run in this process, without server and
network, and are measured in turn.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import features
from baked import data
from in_process import send
from mlprod.contract.encoding import sample_columns
from mlprod.project.project import Project, Seam
from mlprod.serving.api_keys import add_key
from mlprod.serving.container import Container
from mlprod.settings import Settings
from mlprod.testing.waiting import point
from mlprod.training.registry import Registry
from mlprod.training.train import train

# Rows of one request, and requests of one round.
SIZES = {1: 1_000, 100: 100}
# Rows until then are enough, since only the time of a request counts.
UNTIL = data.START + timedelta(days=30)


def service(seam: Seam, folder: Path) -> Callable[[bytes], Awaitable[float]]:
    """Return a function that sends one request to the seam's model and returns its seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        state_dir=folder,
        model_dir=folder / "models",
        event_log_dir=folder / "spool",
        keys_file=folder / "keys.json",
        tracking_uri="",
        model_name="derive",
    )
    version = train(seam, settings, lambda line: None, until=UNTIL).version
    bundle = Registry(settings).download(version, folder)
    point(settings.models, bundle.rename(folder / version.digest), 1)
    key = add_key(folder / "keys.json", "derive", ["predict"])
    container = Container(seam.terms, seam.baseline, seam.decide, seam.payoff, settings)
    container.models.reload_if_changed()
    container.keeper.mode = "assist"

    return partial(send, container.service, key)


async def measured(sides: dict[str, Any], bodies: dict[int, bytes], rounds: int) -> dict[str, Any]:
    """Return side → rows → the median microseconds of each round; the first round warms up."""
    result: dict[str, Any] = {name: {count: [] for count in bodies} for name in sides}
    for turn in range(-1, rounds):
        for name in list(sides) if turn % 2 else reversed(sides):
            for count, body in bodies.items():
                times = [await sides[name](body) for _ in range(SIZES[count])]
                if turn >= 0:
                    result[name][count].append(median(times) * 1e6)
    return result


folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
off = Project("baked").seam()
source = Path(features.__file__).read_text(encoding="utf-8")
on = replace(off, derive=features.derive, sources={**off.sources, "features": source})
kinds = {"boolean": bool, "integer": int}
columns = sample_columns(off.terms.fields, max(SIZES), seed=5)
rows = [
    {
        # NaN is not JSON.
        field.name: None if value != value else kinds.get(field.kind, lambda value: value)(value)
        for field, value in zip(off.terms.fields, row, strict=True)
    }
    for row in zip(*(values.tolist() for values in columns.values()), strict=True)
]
sides = {"on": service(on, folder / "on"), "off": service(off, folder / "off")}
bodies = {count: json.dumps({"rows": rows[:count]}).encode() for count in SIZES}
print(json.dumps(asyncio.run(measured(sides, bodies, rounds))))
