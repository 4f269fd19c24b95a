"""What a batch answered, in the records as the service's answers are: same words, same secrets, same withholding."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

from .contract.terms import Field, Terms
from .records.engine import now
from .records.store import Store
from .serving.explore import LetThrough
from .serving.keys import Keys, KeysError
from .serving.predict import ARM, EXPLORED, hidden
from .settings import Settings

EVENT = 500  # rows in one transaction: a short one, so that outcomes need not wait for it
GIVEN = ("assist", "automate")  # modes in which decisions leave
TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}


def secret(settings: Settings) -> bytes:
    """What hides units in the records and draws the explored share: the service's own. Raises KeysError."""
    if settings.environment != "local" and not settings.keys_file:
        raise KeysError(f"in {settings.environment} ML_KEYS_FILE is needed: a secret in it hides units in the records")
    settings.spooled.mkdir(parents=True, exist_ok=True)
    return Keys(settings.keys_file, settings.spooled / "salt").salt


@dataclass
class Recorder:
    """Takes the answers of one run. Without a store nothing is recorded, and so no decision is given: a trial.

    `new` counts the cases whose id was not known before.
    """

    terms: Terms
    version: int
    bundle: str
    mode: str
    store: Store | None = None
    salt: bytes = b""
    explored: LetThrough | None = None
    new: int = 0

    def take(self, rows: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
        """Record answers {ID, score, decision, refused} to `rows`, which hold the contract's columns, in one order.

        Gives them with model_version, arm, mode and at (UTC), without what the mode withholds. A row without a score is
        not recorded, and what is known under an id stays. Raises StoreAway and EventsRefused.
        """
        count, at, decisions = len(answers), now(), answers.column("decision")
        arms = pa.repeat(pa.scalar(ARM), count)
        if self.store:
            ids = [str(id) for id in answers.column(self.terms.id).to_pylist()]
            decisions, arms = self._let_through(ids, decisions, arms)
            columns = (answers.column("score"), decisions, arms)
            scored = zip(ids, *(column.to_pylist() for column in columns), self._rows(rows), strict=True)
            kept = [
                {"id": id, "score": score, "decision": decision, "arm": arm, **row}
                for id, score, decision, arm, row in scored
                if score is not None
            ]
            self._ship(self.store, kept, f"{at:%Y-%m-%d %H:%M:%S.%f}")
        said = {"model_version": pa.scalar(str(self.version)), "mode": pa.scalar(self.mode), "at": pa.scalar(at)}
        return pa.RecordBatch.from_pydict(
            {
                self.terms.id: answers.column(self.terms.id),
                "score": answers.column("score"),
                "decision": decisions if self.mode in GIVEN else pa.nulls(count, decisions.type),
                "refused": answers.column("refused"),
                "arm": arms,
                **{name: pa.repeat(value, count) for name, value in said.items()},
            }
        )

    def _let_through(self, ids: list[str], decisions: pa.Array, arms: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Decisions and arms once the share that LET_THROUGH names was drawn, where decisions are given at all."""
        let = self.explored
        if let is None or self.mode not in GIVEN:
            return decisions, arms
        pairs = zip(ids, decisions.to_pylist(), strict=True)
        drawn = pa.array([said not in (None, let.decision) and let.takes(id, self.salt) for id, said in pairs])
        return pc.if_else(drawn, let.decision, decisions), pc.if_else(drawn, EXPLORED, arms)

    def _rows(self, rows: pa.RecordBatch) -> list[dict[str, object]]:
        """Unit and row of each prediction as the service records them: no PERSONAL field, no unit by its name."""
        kept = [field for field in self.terms.fields if field.name not in self.terms.personal]
        fields = pa.RecordBatch.from_pydict({field.name: _plain(field, rows.column(field.name)) for field in kept})
        names = rows.column(self.terms.unit).to_pylist() if self.terms.unit in rows.schema.names else [None] * len(rows)
        units = [None if name is None else hidden(str(name), self.salt) for name in names]
        return [{"unit": unit, "row": row} for unit, row in zip(units, fields.to_pylist(), strict=True)]

    def _ship(self, store: Store, kept: list[dict[str, object]], at: str) -> None:
        said = {"at": at, "bundle": self.bundle, "model_version": str(self.version), "arm": ARM, "mode": self.mode}
        for start in range(0, len(kept), EVENT):
            self.new += store.ship([to_json({**said, "predictions": kept[start : start + EVENT]})])


def _plain(field: Field, cells: pa.Array) -> pa.Array:
    """The cells as a request would have brought them; NaN, which JSON cannot say, as missing."""
    cells = pc.cast(cells, TYPES.get(field.kind, pa.string()))
    return pc.if_else(pc.is_nan(cells), None, cells) if field.kind == "number" else cells
