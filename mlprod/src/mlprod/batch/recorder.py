"""What a batch answered, in the records as the service's answers are: same words, same secrets, same withholding."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

from ..contract.schema import Field, Terms
from ..modes import GIVEN
from ..records import event_number
from ..records.database import now
from ..records.store import Store
from ..serving.api_keys import Keys, KeysError
from ..serving.exploration import LetThrough
from ..serving.predict_handler import ARM, EXPLORED, hidden
from ..settings import Settings

EVENT = 500  # rows in one transaction: a short one, so that outcomes need not wait for it
TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
ANOTHER_ROW = "was answered before for another row"
SAID = ("model_version", "arm", "mode", "at")  # of an answer, beside score and decision


def secret(settings: Settings) -> bytes:
    """What hides units in the records and draws the explored share: the service's own. Raises KeysError."""
    if settings.environment != "local" and not settings.keys_file:
        raise KeysError(f"in {settings.environment} ML_KEYS_FILE is needed: a secret in it hides units in the records")
    settings.spooled.mkdir(parents=True, exist_ok=True)
    return Keys(settings.keys_file, settings.spooled / "salt").salt


@dataclass
class Recorder:
    """Records the answers of one run, and gives what the records hold: a case that is known by its id was answered.

    A row under the id of another row is refused. `new` counts the cases that were not known before; their ids lie in
    the file `ids`, for `withdraw`. `caller` is the person who runs it, and `request` stands for the run in the records.
    """

    terms: Terms
    version: int
    bundle: str
    mode: str
    store: Store
    salt: bytes
    ids: Path
    caller: str
    explored: LetThrough | None = None
    new: int = 0
    conflicting: int = 0
    request: str = field(default_factory=lambda: f"batch-{event_number()}")
    at: datetime = field(default_factory=now)

    def take(self, rows: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
        """Record answers {ID, score, decision, refused} to `rows`, which hold the contract's columns, in one order.

        Gives them with model_version, arm, mode and at (UTC); the decision only where it was recorded in a mode that
        gives decisions. A row without a score is not recorded; one under the id of another row has none either. Raises
        StoreAway and EventsRefused.
        """
        ids = [str(id) for id in answers.column(self.terms.id).to_pylist()]
        scores, decisions = answers.column("score").to_pylist(), answers.column("decision").to_pylist()
        told = [
            {"id": id, "score": score, "decision": decision, **row}
            for id, score, decision, row in zip(ids, scores, decisions, self._rows(rows), strict=True)
            if score is not None
        ]
        for one in told:
            self._let_through(one)
        kind = answers.schema.field("decision").type
        held: dict[str, dict[str, Any]] = {}
        with self.ids.open("a", encoding="utf-8") as file:
            for start in range(0, len(told), EVENT):
                held |= self._recorded(told[start : start + EVENT], kind, file)
        absent = dict.fromkeys(("score", "decision", *SAID))
        found = [held.get(id, absent) if score is not None else absent for id, score in zip(ids, scores, strict=True)]
        other = [score is not None and id not in held for id, score in zip(ids, scores, strict=True)]
        self.conflicting += sum(other)
        refused = pc.if_else(pa.array(other), f"{self.terms.id}: {ANOTHER_ROW}", answers.column("refused"))
        types = {"score": pa.float64(), "decision": kind, "at": pa.timestamp("us")}
        columns = {name: pa.array([one[name] for one in found], types.get(name, pa.string())) for name in absent}
        return pa.RecordBatch.from_pydict({self.terms.id: answers.column(self.terms.id), "refused": refused, **columns})

    def withdraw(self) -> None:
        """Take back what this run recorded, since nobody was given it. Raises StoreAway."""
        if not self.ids.exists():
            return
        with self.ids.open(encoding="utf-8") as file:
            while ids := [json.loads(line) for line in islice(file, EVENT)]:
                self.store.withdraw(ids, self.at)

    def _recorded(self, told: list[dict[str, Any]], kind: pa.DataType, file: TextIO) -> dict[str, dict[str, Any]]:
        """What the records hold of these cases once they were told, but for those known by the id of another row."""
        file.writelines(json.dumps(one["id"]) + "\n" for one in told)
        file.flush()  # before they are there: what is withdrawn needlessly is not found, or of another time
        said = {"model_version": str(self.version), "arm": ARM, "mode": self.mode}
        sender = {"number": event_number(), "caller": self.caller[:128], "request": self.request}
        event = {"at": f"{self.at:%Y-%m-%d %H:%M:%S.%f}", "bundle": self.bundle, **said, **sender, "predictions": told}
        new, known = self.store.record(to_json(event))
        self.new += new
        mine = {one["id"]: {**said, "at": self.at, **one} for one in told if not known.get(one["id"])}
        if new < len(told):
            for id, row in self.store.recorded(list(mine)).items():
                mine[id] = {name: getattr(row, name) for name in ("score", "decision", *SAID)}
        for one in mine.values():
            given = one["mode"] in GIVEN and self.mode in GIVEN
            number = pa.types.is_floating(kind)
            one["decision"] = (float(one["decision"]) if number else one["decision"]) if given else None
        return mine

    def _let_through(self, one: dict[str, Any]) -> None:
        """Where decisions are given: the share of LET_THROUGH, drawn as in the service."""
        let = self.explored
        if let and self.mode in GIVEN and one["decision"] != let.decision and let.takes(one["id"], self.salt):
            one |= {"decision": let.decision, "arm": EXPLORED}

    def _rows(self, rows: pa.RecordBatch) -> Iterator[dict[str, Any]]:
        """Unit and row of each prediction as the service records them: no PERSONAL field, no unit by its name."""
        kept = [field for field in self.terms.fields if field.name not in self.terms.personal]
        fields = pa.RecordBatch.from_pydict({field.name: _plain(field, rows.column(field.name)) for field in kept})
        names = rows.column(self.terms.unit).to_pylist() if self.terms.unit in rows.schema.names else [None] * len(rows)
        for name, row in zip(names, fields.to_pylist(), strict=True):
            yield {"unit": None if name is None else hidden(str(name), self.salt), "row": row}


def _plain(field: Field, cells: pa.Array) -> pa.Array:
    """The cells as a request would have brought them; NaN, which JSON cannot say, as missing."""
    cells = pc.cast(cells, TYPES.get(field.kind, pa.string()), safe=False)  # of refused rows are not recorded
    return pc.if_else(pc.is_nan(cells), None, cells) if field.kind == "number" else cells
