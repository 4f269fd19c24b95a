"""A day in Seattle, as it is known a week before."""

from mlprod import Contract, Field


class Day(Contract):
    """A day whose highest temperature is forecast seven days ahead."""

    day_of_year: int = Field(ge=1, le=366, description="Number of the day in its year")
    temp_max_7: float = Field(ge=-20, le=50, description="Highest temperature 7 days before, in °C")
    temp_min_7: float = Field(ge=-30, le=40, description="Lowest temperature 7 days before, in °C")
    mean_28: float = Field(
        ge=-20, le=50, description="Mean of the highest temperatures 7 to 34 days before, in °C"
    )


ID = "day"
GROUP = None
EVENT_TIME = "at"
LABEL = "temp_max"
SLICES = ()
PII = ()
