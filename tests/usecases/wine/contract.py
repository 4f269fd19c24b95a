"""A wine, measured in the laboratory, whose cultivar is to be named."""

from mlprod import Contract, Field


class Wine(Contract):
    """A bottle of which the laboratory names the cultivar."""

    alcohol: float = Field(ge=5, le=25, description="Alcohol, in percent by volume")
    malic_acid: float = Field(ge=0, le=20, description="Malic acid")
    ash: float = Field(ge=0, le=10, description="Ash")
    alcalinity_of_ash: float = Field(ge=0, le=100, description="Alcalinity of the ash")
    magnesium: float = Field(ge=0, le=500, description="Magnesium")
    total_phenols: float = Field(ge=0, le=20, description="Phenols")
    flavanoids: float = Field(ge=0, le=20, description="Flavanoids")
    nonflavanoid_phenols: float = Field(ge=0, le=5, description="Other phenols")
    proanthocyanins: float = Field(ge=0, le=20, description="Proanthocyanins")
    color_intensity: float = Field(ge=0, le=50, description="Color intensity")
    hue: float = Field(ge=0, le=5, description="Hue")
    od280_od315: float = Field(ge=0, le=10, description="OD280/OD315 of the diluted wine")
    proline: float = Field(ge=0, le=5_000, description="Proline")


ID = "bottle"
GROUP = None
EVENT_TIME = None
LABEL = "cultivar"
CLASSES = ("barolo", "grignolino", "barbera")
SLICES = ()
PII = ()
