"""Where rows come from. REPLACE `load` by your table; README.md shows Parquet, PostgreSQL and a warehouse."""

from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from .contract import MERCHANTS

MADE_UP = True  # a pilot asks for real rows: this line goes with the example
START = datetime(2026, 1, 1)
DAYS = 100  # of the default stream; ask `load` for a later `until` and it goes on
PER_DAY = 1_000
CARDS = 5_000
NEW_MERCHANT_DAY = 75  # from here on "vouchers" appears, which no contract knew


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """Rows with since ≤ time < until: the contract's fields and its ID, UNIT, TIME and LABEL columns.

    A label that was not yet known at `until` is null.
    """
    until = until or START + timedelta(days=DAYS)
    first = max(0, ((since or START) - START).days)
    days = [_day(day) for day in range(first, (until - START).days + 1)]
    rows = pa.concat_tables(days) if days else _day(0).slice(0, 0)
    table = ibis.memtable(rows)
    known = table.settled <= ibis.literal(until)
    table = table.mutate(fraud=ibis.ifelse(known, table.fraud, ibis.null("int64"))).drop("settled")
    return table.filter(table["at"] >= ibis.literal(since or START), table["at"] < ibis.literal(until))


def _day(day: int) -> pa.Table:
    """The example's payments of one day: made up, the same at every call, one block of random numbers for each day."""
    random = np.random.Generator(np.random.Philox(key=day))
    card = random.integers(0, CARDS, PER_DAY)
    second = np.sort(random.integers(0, 86_400, PER_DAY))
    hour = (second // 3600 + card % 3) % 24
    channel = random.choice(["chip", "contactless", "online"], PER_DAY, p=[0.35, 0.3, 0.35])
    merchants = MERCHANTS + (["vouchers"] if day >= NEW_MERCHANT_DAY else [])
    merchant = np.array(merchants, dtype=object)[random.integers(0, len(merchants), PER_DAY)]
    foreign = random.random(PER_DAY) < np.where(channel == "online", 0.25, 0.05)
    amount = np.minimum(np.exp(random.normal(3.5, 1.0, PER_DAY)), 50_000).round(2)
    spent = (
        np.where(random.random(PER_DAY) < 0.5, 0, np.exp(random.normal(4.2, 1.1, PER_DAY))).clip(0, 200_000).round(2)
    )
    age = random.integers(0, 4_000, PER_DAY).astype(float)
    distance = np.minimum(np.exp(random.normal(2, 1.6, PER_DAY)) * np.where(foreign, 40, 1), 20_050).round(1)
    risk = (
        -18.5
        + 1.5 * np.log1p(amount)
        + 3.5 * foreign
        + 3.5 * (channel == "online")
        + 0.9 * np.log1p(spent) * (age < 150)
    )
    risk += 4 * (merchant == "gambling") + 5 * (merchant == "vouchers") + 4 * ((hour < 5) & (channel == "online"))
    risk += 4 * ((merchant == "electronics") & (amount > 120)) + 4 * ((distance > 800) & (channel == "chip"))
    fraud = random.random(PER_DAY) < 1 / (1 + np.exp(-risk))
    age[random.random(PER_DAY) < 0.06] = np.nan  # some banks do not send it
    distance[(random.random(PER_DAY) < 0.1) | (channel == "online") & (random.random(PER_DAY) < 0.4)] = np.nan
    at = np.datetime64(START) + day * np.timedelta64(86_400, "s") + second.astype("timedelta64[s]")
    return pa.table(
        {
            "transaction_id": [f"t{day:05d}{row:04d}" for row in range(PER_DAY)],
            "card_id": [f"c{number:05d}" for number in card],
            "at": at.astype("datetime64[us]"),
            "amount": amount,
            "hour": hour,
            "channel": channel.astype(str).tolist(),
            "merchant": merchant.tolist(),
            "foreign": foreign,
            "spent_24h": spent,
            "card_age": pa.array(age, mask=np.isnan(age)).cast(pa.int64()),
            "distance": pa.array(distance, mask=np.isnan(distance)),
            "fraud": fraud.astype(np.int64),
            "settled": (at + random.integers(1, 21, PER_DAY).astype("timedelta64[D]")).astype("datetime64[us]"),
        }
    )
