"""Small seams of the tests' own: they hold whatever the project's domain is."""

from collections.abc import Mapping
from datetime import date, datetime
from types import ModuleType
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlprod.bundle.code import BundledCode
from mlprod.contract.schema import Columns, Contract, ContractSchema, Fields, read_contract
from mlprod.project.project import Load, Seam

START = np.datetime64("2026-01-01", "us")


def terms_of(row: type[Contract], **constants: Any) -> ContractSchema:
    """Terms as a contract module with this row and these constants would give them."""
    module = ModuleType(row.__module__)
    vars(module).update(
        {"row": row, "ID": "key", "GROUP": None, "EVENT_TIME": None, "LABEL": "label"} | constants
    )
    return read_contract(module)


def given(table: pa.Table) -> Load:
    """A load() that gives this table, up to `until`."""

    def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
        result = ibis.memtable(table)
        return result.filter(result["at"] < ibis.literal(until)) if until else result

    return load


# Binary, with unit, time, slices, a personal field, unknown words and missing values.


class Parcel(Contract):
    """A parcel that may come late."""

    weight: float = Field(ge=0, le=30, description="Weight", json_schema_extra={"unit": "kg"})
    stops: int = Field(ge=0, le=50, description="Stops before it")
    courier: Literal["bike", "van"] = Field(description="Who brings it")
    city: str = Field(description="Where to", json_schema_extra={"known": ["bergen", "oslo"]})
    express: bool = Field(description="Paid for a fixed hour")
    distance: float | None = Field(default=None, ge=0, le=100, description="Way to go")


PARCELS = terms_of(
    Parcel,
    ID="parcel",
    GROUP="customer",
    EVENT_TIME="at",
    LABEL="late",
    SLICES=("courier", "express"),
    PII=("distance",),
)
PARCEL = {
    "weight": 3.5,
    "stops": 40,
    "courier": "bike",
    "city": "oslo",
    "express": True,
    "distance": 12.0,
}


def parcels(rows: int = 3_000, seed: int = 0) -> pa.Table:
    random = np.random.Generator(np.random.Philox(seed))
    stops = random.integers(0, 51, rows)
    courier = np.array(["bike", "van"])[random.integers(0, 2, rows)]
    distance = random.uniform(0, 100, rows).round(1)
    risk = 0.3 * (stops - 25) + 3 * (courier == "bike")
    late = (random.random(rows) < 1 / (1 + np.exp(-risk))).astype(np.int64)
    return pa.table(
        {
            "parcel": [f"p{row:05d}" for row in range(rows)],
            "customer": [f"k{number:03d}" for number in random.integers(0, 600, rows)],
            "at": START + np.arange(rows) * np.timedelta64(60_000_000, "us"),
            "weight": random.uniform(0, 30, rows).round(2),
            "stops": stops,
            "courier": courier.tolist(),
            "city": np.array(["bergen", "oslo", "tromso"])[random.integers(0, 3, rows)].tolist(),
            "express": random.random(rows) < 0.5,
            "distance": pa.array(distance, mask=random.random(rows) < 0.2),
            "late": pa.array(
                late, mask=np.arange(rows) >= rows - rows // 50
            ),  # the last are not yet known
        }
    )


def heaviest_first(columns: Columns) -> NDArray[np.float64]:
    return np.asarray(columns["weight"] / 30, dtype=np.float64)


def call_or_leave(score: float, threshold: float) -> str:
    return "call" if score >= threshold else "leave"


def costs(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    return -1.0 if decision == "call" else -5.0 * outcome


def small_classifier(fields: Fields) -> Any:
    return HistGradientBoostingClassifier(max_iter=20, random_state=0)


binary = Seam(
    PARCELS,
    given(parcels()),
    small_classifier,
    "onnx",
    heaviest_first,
    call_or_leave,
    costs,
    digest="of the tests",
)


# Binary, with dates and datetimes, of which features.py makes ages and weekdays.


class Claim(Contract):
    """A claim that may be fraud."""

    amount: float = Field(ge=0, le=10_000, description="What is claimed")
    happened: date = Field(ge=date(2020, 1, 1), le=date(2030, 12, 31), description="When it was")
    reported: datetime = Field(
        ge=datetime(2020, 1, 1),
        le=datetime(2030, 12, 31, 23, 59),
        description="When it was reported",
    )
    born: date | None = Field(
        default=None, ge=date(1900, 1, 1), le=date(2030, 12, 31), description="Birth of the person"
    )
    called: datetime | None = Field(
        default=None, ge=datetime(1990, 1, 1), le=datetime(2030, 12, 31), description="Last call"
    )


CLAIMS = terms_of(Claim, ID="claim", EVENT_TIME="at", LABEL="fraud", PII=("born",))
CLAIM = {
    "amount": 420.5,
    "happened": "2026-02-28",
    "reported": "2026-03-01T23:30:00+01:00",
    "born": "1988-02-29",
    "called": None,
}
DERIVE_CLAIMS = """
import numpy as np

def derive(columns):
    day = np.floor(columns["reported"] / 86_400)
    return {
        "amount": columns["amount"],
        "days_until_report": day - columns["happened"],
        "hour": (columns["reported"] - 86_400 * day) / 3_600,
        "weekday": np.mod(columns["happened"] + 3, 7),
        "age": (columns["happened"] - columns["born"]) / 365.25,
        "since_call": (columns["reported"] - columns["called"]) / 86_400,
    }
"""


def claims(rows: int = 3_000, seed: int = 0) -> pa.Table:
    random = np.random.Generator(np.random.Philox(seed))
    happened = np.datetime64("2024-01-01") + random.integers(0, 700, rows)
    seconds = random.integers(0, 10 * 86_400, rows)
    reported = happened.astype("datetime64[us]") + seconds * np.timedelta64(1_000_000, "us")
    night = (seconds // 3_600) % 24 < 6
    fraud = random.random(rows) < np.where(night, 0.7, 0.1)
    return pa.table(
        {
            "claim": [f"c{row:05d}" for row in range(rows)],
            "at": START + np.arange(rows) * np.timedelta64(60_000_000, "us"),
            "amount": random.uniform(0, 10_000, rows).round(2),
            "happened": happened,
            "reported": reported,
            "born": pa.array(
                np.datetime64("1950-01-01") + random.integers(0, 20_000, rows),
                mask=random.random(rows) < 0.2,
            ),
            "called": pa.array(
                reported - np.timedelta64(86_400_000_000, "us"), mask=random.random(rows) < 0.5
            ),
            "fraud": fraud.astype(np.int64),
        }
    )


def largest_first(columns: Columns) -> NDArray[np.float64]:
    return np.asarray(columns["amount"] / 10_000, dtype=np.float64)


DECIDE_CLAIMS = """
def baseline(columns):
    return columns["amount"] / 10_000

def decide(score, threshold):
    return "call" if score >= threshold else "leave"
"""
CLAIMS_CODE = BundledCode("claims_of_the_tests", {
    "decision": DECIDE_CLAIMS, "features": DERIVE_CLAIMS
})  # fmt: skip


def costs_by_day(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
    """A missed fraud of an earlier year costs less."""
    missed = -5.0 if row["happened"] >= "2025-01-01" else -4.0
    return -1.0 if decision == "call" else missed * outcome


dated = Seam(
    CLAIMS,
    given(claims()),
    small_classifier,
    "onnx",
    largest_first,
    call_or_leave,
    costs_by_day,
    digest="of the tests",
    sources=CLAIMS_CODE.sources,
    package=CLAIMS_CODE.package,
    derive=CLAIMS_CODE.derive,
)


# Regression, without unit and time.


class Flat(Contract):
    """A flat to let."""

    size: float = Field(ge=10, le=300, description="Living space", json_schema_extra={"unit": "m²"})
    floor: int | None = Field(default=None, ge=0, le=60, description="Floor")


def flats(rows: int = 1_000) -> pa.Table:
    random = np.random.Generator(np.random.Philox(1))
    size, floor = random.uniform(10, 300, rows).round(1), random.integers(0, 61, rows)
    rent = 12 * size + 20 * floor + random.normal(0, 50, rows)
    return pa.table(
        {
            "key": np.arange(rows),
            "size": size,
            "floor": pa.array(floor, mask=random.random(rows) < 0.1),
            "label": rent,
        }
    )


regression = Seam(
    terms_of(Flat),
    given(flats()),
    lambda fields: HistGradientBoostingRegressor(max_iter=60, random_state=0),
    "onnx",
    lambda columns: np.full(len(columns["size"]), 2_000.0),
    lambda score, threshold: round(score),
    lambda decision, outcome, row: -abs(decision - outcome),
)


# Text, for runtime python.


class Message(Contract):
    """A message that may be a complaint."""

    body: str = Field(max_length=200, description="What was written")


class WordModel:
    """Scores a text by how often its words stood in complaints."""

    task = "binary"

    def fit(self, columns: Columns, y: NDArray[np.float64]) -> "WordModel":
        texts = [body.split() for body in columns["body"]]
        parts = sorted({word for text in texts for word in text})
        self.shares = {
            word: float(
                np.mean([label for text, label in zip(texts, y, strict=True) if word in text])
            )
            for word in parts
        }
        return self

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        return np.array(
            [
                np.mean([self.shares.get(word, 0.5) for word in body.split()] or [0.5])
                for body in columns["body"]
            ]
        )


def messages(rows: int = 1_000) -> pa.Table:
    random = np.random.Generator(np.random.Philox(2))
    parts, angry = (
        np.array(["parcel", "door", "thanks", "today", "please"]),
        random.random(rows) < 0.4,
    )
    bodies = [
        " ".join([*random.choice(parts, 4).tolist(), "broken" if cross else "fine", f"nr{row}"])
        for row, cross in enumerate(angry)
    ]
    return pa.table({"key": np.arange(rows), "body": bodies, "label": angry})


text = Seam(
    terms_of(Message),
    given(messages()),
    lambda fields: WordModel(),
    "python",
    lambda columns: np.full(len(columns["body"]), 0.5),
    call_or_leave,
    costs,
)


# Four classes, with missing values and a slice.


class Ticket(Contract):
    """A ticket that a team has to answer."""

    amount: float = Field(ge=0, le=1_000, description="Amount in question")
    days: int | None = Field(default=None, ge=0, le=60, description="Days since the delivery")
    channel: Literal["mail", "chat"] = Field(description="How it arrived")


TICKETS = terms_of(
    Ticket,
    ID="ticket",
    LABEL="team",
    CLASSES=("billing", "delivery", "returns", "other"),
    SLICES=("channel",),
)
TICKET = {"amount": 900.0, "days": 3, "channel": "mail"}


def tickets(rows: int = 2_000, seed: int = 3) -> pa.Table:
    random = np.random.Generator(np.random.Philox(seed))
    amount, days = random.uniform(0, 1_000, rows).round(2), random.integers(0, 61, rows)
    mail = random.random(rows) < 0.5
    place = np.select([amount > 700, days > 40, mail], [0, 1, 2], 3)
    unsure = random.random(rows) < 0.1
    place = np.where(unsure, random.integers(0, 4, rows), place)
    return pa.table(
        {
            "ticket": [f"t{row:05d}" for row in range(rows)],
            "amount": amount,
            "days": pa.array(days, mask=random.random(rows) < 0.05),
            "channel": np.where(mail, "mail", "chat").tolist(),
            "team": [TICKETS.classes[position] for position in place],
        }
    )


def mostly_other(columns: Columns) -> NDArray[np.float64]:
    return np.tile([0.2, 0.2, 0.2, 0.4], (len(columns["amount"]), 1))


def team_or_person(scores: Mapping[str, float], threshold: float) -> str:
    team = max(scores, key=scores.__getitem__)
    return team if scores[team] >= threshold else "person"


def detours(decision: str, outcome: str, row: Mapping[str, Any]) -> float:
    return -2.0 if decision == "person" else -10.0 * (decision != outcome)


multiclass = Seam(
    TICKETS,
    given(tickets()),
    lambda fields: HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "onnx",
    mostly_other,
    team_or_person,
    detours,
    digest="of the tests",
)
