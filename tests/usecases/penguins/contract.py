"""A penguin at its nest, measured and described by an observer."""

from datetime import date
from typing import Literal

from mlprod import Contract, Field


class Penguin(Contract):
    """An adult penguin whose mass is estimated, so that it need not be weighed."""

    species: Literal[
        "Adelie Penguin (Pygoscelis adeliae)",
        "Chinstrap penguin (Pygoscelis antarctica)",
        "Gentoo penguin (Pygoscelis papua)",
    ] = Field(description="Species, in English and Latin")
    island: str = Field(
        description="Island of the nest", json_schema_extra={"known": ["Biscoe", "Dream"]}
    )
    egg: date = Field(
        ge=date(2007, 1, 1), le=date(2030, 12, 31), description="Day on which the nest had one egg"
    )
    culmen_length: float | None = Field(
        default=None, ge=10, le=100, description="Ridge of the bill"
    )
    culmen_depth: float | None = Field(default=None, ge=5, le=50, description="Depth of the bill")
    flipper: int | None = Field(default=None, ge=100, le=300, description="Flipper, in mm")
    sex: Literal["FEMALE", "MALE"] | None = Field(default=None, description="From a blood test")
    remarks: str | None = Field(default=None, max_length=500, description="Remarks of the observer")


ID = "penguin"
GROUP = "nest"
EVENT_TIME = None
LABEL = "mass"
SLICES = ()
PII = ()
