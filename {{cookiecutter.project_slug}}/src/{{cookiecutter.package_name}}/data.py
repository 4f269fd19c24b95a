"""Where rows come from. REPLACE `load` by your table: docs/four-files.md shows how."""

from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from .contract import MERCHANTS

SYNTHETIC = True  # remove it with the example: a pilot requires real rows
# The default stream has DAYS days; a later `until` gives more.
START, DAYS, PER_DAY, CARDS = datetime(2026, 1, 1), 100, 1_000, 5_000
# From this day on the category "vouchers" appears, which the contract does not know.
NEW_MERCHANT_DAY = 75


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """Rows with since ≤ time < until: the fields, and the columns ID, GROUP, EVENT_TIME and LABEL.

    A label that was not known at `until` is null.
    """
    since, until = since or START, until or START + timedelta(days=DAYS)
    days = range(max(0, (since - START).days), (until - START).days + 1)
    rows = pa.concat_tables([_day(day) for day in days]) if days else _day(0).slice(0, 0)
    table = ibis.memtable(rows)
    known = table.settled <= ibis.literal(until)
    table = table.mutate(fraud=ibis.ifelse(known, table.fraud, ibis.null("int64"))).drop("settled")
    return table.filter(table["at"] >= ibis.literal(since), table["at"] < ibis.literal(until))


def _day(day: int) -> pa.Table:
    """The synthetic payments of one day, the same at every call."""
    random = np.random.Generator(np.random.Philox(key=day))
    card = random.integers(0, CARDS, PER_DAY)
    second = np.sort(random.integers(0, 86_400, PER_DAY))
    hour = (second // 3600 + card % 3) % 24
    channel = random.choice(["chip", "contactless", "online"], PER_DAY, p=[0.35, 0.3, 0.35])
    online = channel == "online"
    merchants = MERCHANTS + (["vouchers"] if day >= NEW_MERCHANT_DAY else [])
    merchant = np.array(merchants, dtype=object)[random.integers(0, len(merchants), PER_DAY)]
    foreign = random.random(PER_DAY) < np.where(online, 0.25, 0.05)
    amount = np.minimum(np.exp(random.normal(3.5, 1.0, PER_DAY)), 50_000).round(2)
    quiet = random.random(PER_DAY) < 0.5
    spent = np.exp(random.normal(4.2, 1.1, PER_DAY))
    spent = np.where(quiet, 0, spent).clip(0, 200_000).round(2)
    age = random.integers(0, 4_000, PER_DAY).astype(float)
    distance = np.exp(random.normal(2, 1.6, PER_DAY)) * np.where(foreign, 40, 1)
    distance = np.minimum(distance, 20_050).round(1)
    risk = -18.5 + 1.5 * np.log1p(amount) + 3.5 * foreign + 3.5 * online
    risk += 0.9 * np.log1p(spent) * (age < 150)
    risk += 4 * (merchant == "gambling") + 5 * (merchant == "vouchers") + 4 * ((hour < 5) & online)
    far = (distance > 800) & (channel == "chip")
    risk += 4 * ((merchant == "electronics") & (amount > 120)) + 4 * far
    fraud = random.random(PER_DAY) < 1 / (1 + np.exp(-risk))
    # Some banks send no age of the card, and some payments have no known place.
    age[random.random(PER_DAY) < 0.06] = np.nan
    unknown = (random.random(PER_DAY) < 0.1) | online & (random.random(PER_DAY) < 0.4)
    distance[unknown] = np.nan
    at = np.datetime64(START) + day * np.timedelta64(86_400, "s") + second.astype("timedelta64[s]")
    settled = at + random.integers(1, 21, PER_DAY).astype("timedelta64[D]")
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
            "settled": settled.astype("datetime64[us]"),
        }
    )
