"""The Palmer penguins: 344 birds of three seasons (Gorman, Williams and Fraser 2014)."""

from datetime import datetime

import ibis
import ibis.expr.types as ir

NAMES = {
    "species": "Species",
    "island": "Island",
    "egg": "Date Egg",
    "culmen_length": "Culmen Length (mm)",
    "culmen_depth": "Culmen Depth (mm)",
    "flipper": "Flipper Length (mm)",
    "sex": "Sex",
    "remarks": "Comments",
}


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """All penguins; both adults of a nest have the same `nest`."""
    table = ibis.duckdb.connect().read_csv("data/penguins-raw.csv", nullstr="NA")
    season = table["studyName"].concat(" ", table["Species"], " ")
    return table.select(
        penguin=season.concat(table["Sample Number"].cast("string")),
        nest=season.concat(table["Individual ID"].re_extract("^N[0-9]+", 0)),
        mass=table["Body Mass (g)"],
        **{name: table[column] for name, column in NAMES.items()},
    )
