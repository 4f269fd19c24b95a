"""The recorder of a batch: it records predictions in the same form as the service.

It uses the same salt, and withholds decisions by the same rules.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc

from ..contract.schema import ContractSchema, Field
from ..modes import DECIDING_MODES
from ..records.database import now
from ..records.events import CHAMPION, EXPLORED, build_event, build_prediction, event_number
from ..records.store import Store
from ..serving.api_keys import ApiKeys, KeysError
from ..serving.exploration import Exploration
from ..settings import Settings

# Rows of one transaction. It is short, so that outcomes do not wait for it.
EVENT_ROWS = 500
TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
TYPES |= {"date": pa.date32(), "datetime": pa.timestamp("us", "UTC")}
ANOTHER_ROW = "was answered before for another row"
# Before a class in the names of the columns with its probability.
SHARE_PREFIX = "score_"
# the columns of an answer besides score and decision
ANSWER_COLUMNS = ("model_version", "arm", "mode", "at")


def load_salt(settings: Settings) -> bytes:
    """Load the salt of the service, which pseudonymizes units and draws the explored share.

    Raises KeysError if it is required and missing.
    """
    if settings.environment != "local" and not settings.keys_file:
        raise KeysError(
            f"ML_KEYS_FILE is not set and {settings.environment} requires it: its salt "
            "pseudonymizes units in the records. Set it to the keys file of the service"
        )
    settings.spooled.mkdir(parents=True, exist_ok=True)
    return ApiKeys(settings.keys_file, settings.spooled / "salt").salt


@dataclass
class Recorder:
    """Records the answers of one run, and returns the recorded ones.

    A case with a known id keeps its recorded answer. A row with the id of another row is refused.
    `new` counts the cases that were not known before. The file `ids` has the ids of the run, for
    `delete_predictions`. `caller` is the person who runs it; `request` is the id of the run in the
    records.
    """

    terms: ContractSchema
    version: int
    bundle: str
    mode: str
    store: Store
    salt: bytes
    ids: Path
    caller: str
    explored: Exploration | None = None
    new: int = 0
    conflicting: int = 0
    request: str = field(default_factory=lambda: f"batch-{event_number()}")
    at: datetime = field(default_factory=now)

    def record(self, rows: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
        """Record answers {ID, score, decision, refused} for `rows` in the same order.

        `rows` have the contract's columns. Returns the answers with model_version, arm, mode and at
        (UTC). A decision is included only if it was recorded in a mode that releases decisions. A
        row without a score is not recorded. A row with the id of another row gets no score. Raises
        StoreUnavailableError and EventsRefusedError.
        """
        ids = [str(id) for id in answers.column(self.terms.id).to_pylist()]
        scores, decisions = (
            answers.column("score").to_pylist(),
            answers.column("decision").to_pylist(),
        )
        fixed = {self.terms.id, "score", "decision", "refused"}
        shares = [name for name in answers.schema.names if name not in fixed]
        by_class = (
            [
                {name.removeprefix(SHARE_PREFIX): share for name, share in row.items()}
                for row in answers.select(shares).to_pylist()
            ]
            if shares
            else [None] * len(ids)
        )
        predictions = [
            self._prediction(id, score, decision, unit, row, of_classes)
            for id, score, decision, (unit, row), of_classes in zip(
                ids, scores, decisions, self._rows(rows), by_class, strict=True
            )
            if score is not None
        ]
        kind = answers.schema.field("decision").type
        held: dict[str, dict[str, Any]] = {}
        with self.ids.open("a", encoding="utf-8") as file:
            for start in range(0, len(predictions), EVENT_ROWS):
                held |= self._recorded(predictions[start : start + EVENT_ROWS], kind, file)
        absent = dict.fromkeys(("score", "decision", *ANSWER_COLUMNS))
        result = [
            held.get(id, absent) if score is not None else absent
            for id, score in zip(ids, scores, strict=True)
        ]
        other = [
            score is not None and id not in held for id, score in zip(ids, scores, strict=True)
        ]
        self.conflicting += sum(other)
        refused = pc.if_else(
            pa.array(other), f"{self.terms.id}: {ANOTHER_ROW}", answers.column("refused")
        )
        types = {"score": pa.float64(), "decision": kind, "at": pa.timestamp("us")}
        columns = {
            name: pa.array([one[name] for one in result], types.get(name, pa.string()))
            for name in absent
        }
        columns |= {
            name: pa.array(
                [(one.get("scores") or {}).get(name.removeprefix(SHARE_PREFIX)) for one in result],
                pa.float64(),
            )
            for name in shares
        }
        return pa.RecordBatch.from_pydict(
            {self.terms.id: answers.column(self.terms.id), "refused": refused, **columns}
        )

    def delete_predictions(self) -> None:
        """Delete the predictions of this run, which nobody received.

        Raises StoreUnavailableError.
        """
        if not self.ids.exists():
            return
        with self.ids.open(encoding="utf-8") as file:
            while ids := [json.loads(line) for line in islice(file, EVENT_ROWS)]:
                self.store.delete_predictions(ids, self.at)

    def _recorded(
        self, sent: list[dict[str, Any]], kind: pa.DataType, file: TextIO
    ) -> dict[str, dict[str, Any]]:
        """Record predictions; return the recorded ones by id, without those of another row."""
        file.writelines(json.dumps(one["id"]) + "\n" for one in sent)
        # Before the insert, so that every recorded id is in the file. Deleting an id that this run
        # did not record does no harm: it does not exist, or it has another time.
        file.flush()
        version, mode = str(self.version), self.mode
        event = build_event(
            sent,
            model_version=version,
            bundle=self.bundle,
            mode=mode,
            caller=self.caller,
            request=self.request,
            at=self.at,
        )
        new, known = self.store.record(event)
        self.new += new
        facts: dict[str, Any] = {
            "model_version": version,
            "arm": CHAMPION,
            "mode": mode,
            "at": self.at,
        }
        mine = {one["id"]: facts | one for one in sent if not known.get(one["id"])}
        if new < len(sent):
            for id, row in self.store.find_predictions(list(mine)).items():
                mine[id] = {
                    name: getattr(row, name)
                    for name in ("score", "decision", "scores", *ANSWER_COLUMNS)
                }
        for one in mine.values():
            given = one["mode"] in DECIDING_MODES and self.mode in DECIDING_MODES
            number = pa.types.is_floating(kind)
            one["decision"] = (
                (float(one["decision"]) if number else one["decision"]) if given else None
            )
        return mine

    def _prediction(
        self,
        id: str,
        score: float,
        decision: Any,
        unit: str | None,
        row: dict[str, Any],
        scores: dict[str, float] | None,
    ) -> dict[str, Any]:
        """Build the prediction of a row.

        If the mode releases decisions, the share of EXPLORATION is drawn as in the service.
        """
        let, arm = self.explored, None
        if (
            let
            and self.mode in DECIDING_MODES
            and decision != let.decision
            and let.includes(id, self.salt)
        ):
            decision, arm = let.decision, EXPLORED
        return build_prediction(id, score, decision, unit, row, self.salt, arm, scores)

    def _rows(self, rows: pa.RecordBatch) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """Yield the unit and the fields of each row, without PII fields: they are not recorded."""
        stored = [field for field in self.terms.fields if field.name not in self.terms.personal]
        fields = pa.RecordBatch.from_pydict(
            {field.name: _plain(field, rows.column(field.name)) for field in stored}
        )
        names = (
            rows.column(self.terms.unit).to_pylist()
            if self.terms.unit in rows.schema.names
            else [None] * len(rows)
        )
        for name, row in zip(names, fields.to_pylist(), strict=True):
            yield None if name is None else str(name), row


def _plain(field: Field, cells: pa.Array) -> pa.Array:
    """Convert cells to the types of a request; NaN becomes null, because JSON has no NaN."""
    # An unsafe cast is fine: the cells of refused rows are not recorded.
    cells = pc.cast(cells, TYPES.get(field.kind, pa.string()), safe=False)
    return pc.if_else(pc.is_nan(cells), None, cells) if field.kind == "number" else cells
