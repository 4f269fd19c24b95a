"""A patient with diabetes, one year before the progression of the disease is measured."""

from mlprod import Contract, Field


class Patient(Contract):
    """A patient whose care is planned."""

    age: float = Field(ge=0, le=120, description="Age", json_schema_extra={"unit": "years"})
    sex: int = Field(ge=1, le=2, description="Sex, as coded in the study")
    bmi: float = Field(ge=5, le=80, description="Body mass index")
    bp: float = Field(ge=20, le=250, description="Mean arterial blood pressure")
    s1: float = Field(ge=0, le=1_000, description="Total serum cholesterol")
    s2: float = Field(ge=0, le=1_000, description="Low-density lipoproteins")
    s3: float = Field(ge=0, le=1_000, description="High-density lipoproteins")
    s4: float = Field(ge=0, le=100, description="Total cholesterol / HDL")
    s5: float = Field(ge=0, le=20, description="Logarithm of serum triglycerides, possibly")
    s6: float = Field(ge=0, le=1_000, description="Blood sugar")


ID = "patient_id"
GROUP = None
EVENT_TIME = None
LABEL = "progression"
SLICES = ()
PII = ("age", "sex")
