"""What one row means and which values it may have. REPLACE the class and the constants."""

from typing import Any, Literal

from mlprod import Contract, Field

EUR, DAYS, KM = (dict[str, Any](unit=unit) for unit in ("EUR", "days", "km"))
MERCHANTS = ["electronics", "fuel", "gambling", "groceries", "restaurant", "travel"]


class Transaction(Contract):
    """A card payment that waits for a decision: the model's inputs, a request's fields."""

    amount: float = Field(ge=0, le=50_000, description="Payment amount", json_schema_extra=EUR)
    hour: int = Field(ge=0, le=23, description="Hour of the day where the card holder lives")
    channel: Literal["chip", "contactless", "online"] = Field(description="How the card was used")
    merchant: str = Field(
        description="Category of the merchant", json_schema_extra={"known": list(MERCHANTS)}
    )
    foreign: bool = Field(description="The merchant is in another country than the card's bank")
    spent_24h: float = Field(
        ge=0,
        le=200_000,
        description="Spent with this card in the last 24 hours; the caller computes it",
        json_schema_extra=EUR,
    )
    card_age: int | None = Field(
        default=None, ge=0, le=15_000, description="Age of the card", json_schema_extra=DAYS
    )
    distance: float | None = Field(
        default=None,
        ge=0,
        le=20_050,
        description="Distance from the last known place of the card",
        json_schema_extra=KM,
    )


# The column that identifies a row.
ID = "transaction_id"
# Rows with the same value are never on both sides of a split. None: rows are split one by one.
GROUP = "card_id"
# When the row happened. None: a random split, which a pilot does not accept.
EVENT_TIME = "at"
# The outcome to predict; null until it is known.
LABEL = "fraud"
# Fields whose groups are evaluated one by one.
SLICES = ("channel", "foreign")
# Fields about a person: the data check never shows them, and no prediction is stored with them.
PII = ("distance",)
