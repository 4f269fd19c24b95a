"""A lump's cell nuclei, measured in an image of a fine needle aspirate."""

from mlprod import Contract, Field


class Aspirate(Contract):
    """An aspirate that waits for a decision about a biopsy."""

    worst_radius: float = Field(ge=0, le=100, description="Largest mean radius of a nucleus")
    worst_texture: float = Field(ge=0, le=100, description="Largest deviation of grey values")
    worst_perimeter: float = Field(ge=0, le=1_000, description="Largest perimeter")
    worst_area: float = Field(ge=0, le=10_000, description="Largest area")
    worst_smoothness: float = Field(ge=0, le=1, description="Largest local variation of the radius")
    worst_compactness: float = Field(ge=0, le=5, description="Largest perimeter² / area - 1")
    worst_concavity: float = Field(ge=0, le=5, description="Most severe concave parts of a contour")
    worst_concave_points: float = Field(
        ge=0, le=1, description="Largest number of concave parts, scaled"
    )
    worst_symmetry: float = Field(ge=0, le=1, description="Largest asymmetry")


ID = "aspirate_id"
GROUP = None
EVENT_TIME = None
LABEL = "malignant"
SLICES = ()
PII = ()
