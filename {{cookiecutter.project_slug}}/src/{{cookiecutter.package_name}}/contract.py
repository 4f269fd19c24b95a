"""One row, what it means and what is allowed. REPLACE the class and the constants by your own."""

from typing import Literal

from mlprod import Contract, Field

MERCHANTS = ["electronics", "fuel", "gambling", "groceries", "restaurant", "travel"]


class Transaction(Contract):
    """A card payment that waits for an answer. Its fields are the model's inputs and the request's fields."""

    amount: float = Field(ge=0, le=50_000, description="Amount of the payment", json_schema_extra={"unit": "EUR"})
    hour: int = Field(ge=0, le=23, description="Hour of the day where the card holder lives")
    channel: Literal["chip", "contactless", "online"] = Field(description="How the card was used")
    merchant: str = Field(description="Category of the merchant", json_schema_extra={"known": list(MERCHANTS)})
    foreign: bool = Field(description="The merchant is in another country than the card's bank")
    spent_24h: float = Field(
        ge=0,
        le=200_000,
        description="Spent with this card in the 24 hours before; the caller computes it",
        json_schema_extra={"unit": "EUR"},
    )
    card_age: int | None = Field(
        default=None, ge=0, le=15_000, description="Age of the card", json_schema_extra={"unit": "days"}
    )
    distance: float | None = Field(
        default=None,
        ge=0,
        le=20_050,
        description="Way from the card's last known place",
        json_schema_extra={"unit": "km"},
    )


ID = "transaction_id"  # names one row
UNIT = "card_id"  # rows of one unit never stand on both sides of a split; None: each row for itself
TIME = "at"  # when the row happened; None: a random split, which pilot will not accept
LABEL = "fraud"  # what is to be known; null until it is known
SLICES = ("channel", "foreign")  # groups for which quality is reported apart
PERSONAL = ("distance",)  # fields about a person: never shown by the data check, never stored with a prediction
