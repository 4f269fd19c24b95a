"""Time of one request inside the baked service, by step.

A step that the service no longer calls is an error, so the list stays current.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from baked import contract, decision
from in_process import send
from mlprod.contract.schema import read_contract
from mlprod.serving import predict_handler as predicting
from mlprod.serving.api_keys import add_key
from mlprod.serving.container import Container
from mlprod.settings import Settings

spent: dict[str, list[float]] = defaultdict(list)


def clock(owner: Any, name: str, *parts: str) -> None:
    """Time a callable of `owner`.

    If a request calls it more than once, the calls are `parts` in turn.
    """
    work: Callable[..., Any] = getattr(owner, name)

    def timed(*given: Any, **named: Any) -> Any:
        began = perf_counter()
        done = work(*given, **named)
        seconds = perf_counter() - began
        spent[min(parts, key=lambda part: len(spent[part]))].append(seconds)
        return done

    # A bundle is frozen, so setattr would fail.
    vars(owner)[name] = timed


keys = Path(sys.argv[2])
key = add_key(keys, "microseconds", ["predict"])
settings = Settings(keys_file=keys)
assembly = Container(
    read_contract(contract), decision.baseline, decision.decide, decision.payoff, settings
)
assembly.models.reload_if_changed()
assembly.keeper.mode = "assist"
service, current = assembly.service, assembly.models.get_or_503()
clock(service.predict, "validate", "validate the body")
clock(current.bundle, "encoder", "rows to matrix")
clock(current.bundle.runtime.session, "run", "ONNX Runtime")
clock(predicting, "build_event", "event to JSON")
clock(predicting, "to_json", "answer to JSON")
clock(assembly.spool, "append", "append to the event log")
clock(service.metrics, "count_predictions", "count predictions")
clock(current.counts, "add", "count the fields")
clock(service.predict, "answer", "predict")
clock(service.metrics, "count_request", "count the request")
clock(service.access, "add", "line for the access log")
INSIDE = (
    "validate the body",
    "rows to matrix",
    "ONNX Runtime",
    "event to JSON",
    "append to the event log",
)
INSIDE += ("count predictions", "count the fields", "answer to JSON")
AROUND = ("count the request", "line for the access log")


async def request(body: bytes) -> None:
    spent["whole"].append(await send(service, key, body))


async def table(body: bytes, times: int) -> dict[str, float]:
    for turn in range(times + times // 10):
        if turn == times // 10:
            # The first tenth warms up.
            spent.clear()
        await request(body)
    result = {name: median(item) * 1e6 for name, item in spent.items()}
    rest = result["predict"] - sum(result[name] for name in INSIDE)
    around = result["whole"] - result["predict"] - sum(result[name] for name in AROUND)
    spent.clear()
    parts = {name: result[name] for name in INSIDE[:3]} | {
        "decisions, ids, the event as dicts": rest
    }
    parts |= {name: result[name] for name in (*INSIDE[3:], *AROUND)}
    return parts | {"key, limits, request id, sending": around, "together": result["whole"]}


rows = json.loads(Path(sys.argv[1]).read_text())["rows"]
print(
    json.dumps(
        {
            count: asyncio.run(table(json.dumps({"rows": rows[:count]}).encode(), times))
            for count, times in ((1, 5_000), (len(rows), 400))
        }
    )
)
