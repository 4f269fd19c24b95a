import enum
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Union

import pytest
from annotated_types import Ge
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    WrapValidator,
    computed_field,
    conint,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from seams import PARCELS, Flat, Parcel, terms_of

from mlprod.contract.schema import Contract, ContractError, Fields, read_fields


def fields_of(annotation: Any, **rules: Any) -> Fields:
    rules = {"description": "Something"} | rules
    return read_fields(create_model("Row", __base__=Contract, speed=(annotation, Field(**rules))))


def known(categories: Any) -> dict[str, Any]:
    extra = {"known": categories}
    return {"json_schema_extra": extra}


def test_a_contract_is_read_in_its_own_order() -> None:
    assert PARCELS.fields.names == ("weight", "stops", "courier", "city", "express", "distance")
    kinds = ["number", "integer", "category", "category", "boolean", "number"]
    assert [field.kind for field in PARCELS.fields] == kinds


def test_a_field_has_bounds_categories_unit_and_meaning() -> None:
    weight, city, distance = (PARCELS.fields[name] for name in ("weight", "city", "distance"))
    assert (weight.bounds, weight.unit, weight.description) == ((0, 30), "kg", "Weight")
    assert (city.categories, city.open) == (("bergen", "oslo"), True)
    assert distance.optional
    assert not weight.optional


def test_positions_separate_categories_from_numbers() -> None:
    assert (PARCELS.fields.categorical, PARCELS.fields.numeric) == ([2, 3], [0, 1, 4, 5])


def test_another_description_gives_another_digest() -> None:
    assert (
        fields_of(bool).digest()
        == fields_of(bool).digest()
        != fields_of(bool, description="Else").digest()
    )


@pytest.mark.parametrize(
    ("annotation", "message", "works"),
    [
        (float, {}, "Field(ge=0, le=50_000)"),
        (float, {"ge": 0}, "Field(ge=0, le=50_000)"),
        (float, {"ge": 0, "le": float("inf")}, "Field(ge=0, le=50_000)"),
        (float, {"ge": 5, "le": 5}, "Field(ge=0, le=50_000)"),
        (float, {"ge": 0, "le": 1e39}, "at most 3.4"),
        (int, {"ge": 0, "le": 2**24 + 1}, "at most 1.67772e+07"),
        (bool, {"description": None}, 'description="..."'),
        (bool | None, {}, "Field(default=None, ...)"),
        (str, {}, 'json_schema_extra={"known": [...]}'),
        (bytes, {}, "Literal of texts"),
        (int | str, {}, "Literal of texts"),
        (Literal[1, 2], {}, '["chip", "online"]'),
        (str, known([]), '["chip", "online"]'),
        (str, known(["a", "a"]), '["chip", "online"]'),
        (str, known("ab"), '["chip", "online"]'),
        (float, {"gt": 0, "le": 1}, "works: use ge, le"),
        (int, {"ge": 0, "le": 9, "multiple_of": 3}, "works: use ge, le"),
        (str, {"max_length": 9, "pattern": "^a"}, "Literal or max_length"),
        (
            Annotated[float, Field(ge=0, le=1)] | None,
            {"default": None},
            "float or int with ge and le",
        ),
    ],
)
def test_a_field_that_cannot_be_checked_is_refused_by_name_with_what_works(
    annotation: Any, message: dict[str, Any], works: str
) -> None:
    with pytest.raises(ContractError) as refused:
        fields_of(annotation, **message)
    assert "'speed'" in str(refused.value)
    assert works in str(refused.value)


SPEED: dict[str, Any] = {"ge": 0, "le": 9}
NFD = unicodedata.normalize("NFD", "café")


class Shade(enum.Enum):
    RED = "red"


class Inner(BaseModel):
    speed: float


@pytest.mark.parametrize(
    ("annotation", "message", "works"),
    [
        (float, {**SPEED, "default": 5.0},
         "default=5.0 would be filled into a request and never into a table"),
        (float | None, {**SPEED, "default": 0.0}, "`| None` and Field(default=None, ...)"),
        (bool, {"default": False}, "leave it out"),
        (Literal["a"], {"default": "a"}, "default='a'"),
        (float, {**SPEED, "default": None}, "works: `float | None`"),
        (float, {**SPEED, "default_factory": lambda: 5.0}, "default=None"),
        (float | None, {**SPEED, "default_factory": lambda: None}, "default=None"),
        (float, {**SPEED, "alias": "velocity"},
         "alias='velocity' would apply to requests and never to a table"),
        (float, {**SPEED, "validation_alias": "velocity"}, "rename the field"),
        (float, {**SPEED, "serialization_alias": "velocity"}, "rename the field"),
        (float, {**SPEED, "exclude": True}, "exclude=True"),
        (float, {**SPEED, "frozen": True}, "frozen=True"),
        (float, {**SPEED, "deprecated": "old"}, "deprecated='old'"),
        (float | None, {**SPEED, "default": None, "validate_default": True},
         "validate_default=True"),
        (float, {**SPEED, "strict": False}, "strict=False"),
        (float, {**SPEED, "allow_inf_nan": True}, "allow_inf_nan=True"),
        (float, {**SPEED, "json_schema_extra": lambda schema: None}, "is not a dict"),
        (float, {**SPEED, "json_schema_extra": {"unti": "km/h"}}, "has unti; works: unit"),
        (float, {**SPEED, "json_schema_extra": {"unit": 3}}, '{"unit": "EUR"}'),
        (float, {**SPEED, **known(["a"])}, "cannot have known categories, only a str can"),
        (Literal["a"], known(["a"]), "cannot have known categories, only a str can"),
        (Annotated[float, AfterValidator(round)], SPEED, "works: use ge, le"),
        (Annotated[float, BeforeValidator(round)], SPEED, "works: use ge, le"),
        (Annotated[float, PlainValidator(float)], SPEED, "works: use ge, le"),
        (Annotated[float, WrapValidator(lambda value, handler: handler(value))], SPEED,
         "works: use ge, le"),
        (Annotated[float, PlainSerializer(str)], SPEED, "works: use ge, le"),
        (Annotated[float, Strict(False)], SPEED, "works: use ge, le"),
        (Annotated[float, Ge(5)], SPEED, "ge is given twice"),
        (Annotated[str, StringConstraints(strip_whitespace=True, max_length=9)], {},
         "works: use ge, le"),
        (Annotated[str, StringConstraints(to_lower=True, max_length=9)], {}, "works: use ge, le"),
        (str, {"max_length": 9, "min_length": 2}, "works: use ge, le"),
        (str, {"max_length": 0}, "Field(max_length=200, ...)"),
        (str, {"max_length": 9, "coerce_numbers_to_str": True}, "coerce_numbers_to_str=True"),
        (conint(ge=0, le=9), {}, "works: use ge, le"),
        (float, {"ge": 0, "lt": 9}, "works: use ge, le"),
        (float, {"ge": float("nan"), "le": 9}, "no finite bounds in order"),
        (float, {"ge": 9, "le": 0}, "no finite bounds in order"),
        (float, {"ge": Decimal(0), "le": Decimal(9)}, "no finite bounds in order"),
        (float, {"ge": False, "le": True}, "no finite bounds in order"),
        (int, {"ge": -(2**53), "le": 2**53}, "at most 1.67772e+07"),
        (bool, {"ge": 0, "le": 1}, "ge, le does not limit a bool; works: leave it out"),
        (Literal["a"], {"max_length": 3}, "max_length does not limit a Literal"),
        (Decimal, {**SPEED, "max_digits": 3}, "works: use ge, le"),
        (Decimal, SPEED, "float or int with ge and le"),
        (timedelta, {}, "float or int with ge and le"),
        (date, {}, "each a date and ge the earlier one; given ge=None, le=None; works: "
         "Field(ge=date(1900, 1, 1), le=date(2100, 12, 31))"),
        (date, {"ge": date(2026, 2, 1), "le": date(2026, 1, 1)}, "ge the earlier one"),
        (datetime, {"ge": date(2026, 1, 1), "le": date(2027, 1, 1)}, "works: Field(ge=datetime("),
        (datetime, {"max_length": 9}, "max_length does not limit a datetime"),
        (Shade, {}, "Literal of texts"),
        (enum.IntEnum("Level", "LOW HIGH"), {}, "float or int with ge and le"),
        (Inner, {}, "float or int with ge and le"),
        (list[float], {}, "float or int with ge and le"),
        (Union[float, int], SPEED, "float or int with ge and le"),  # noqa: UP007
        (Literal["a", 1], {}, "different texts"),
        (Literal["a", None], {"default": None}, "write `| None` with default=None"),
        (Literal["a"] | Literal["b"], {}, "Literal of texts"),
        (Literal["a", ""], {}, "'' is empty"),
        (Literal["a", "b "], {}, "'b ' is empty, or has spaces around it"),
        (str, known(["a", "b\u200b"]),
         "'b\\u200b' is empty, or has spaces around it or invisible characters"),
        (str, known(["a b", "a  b"]), "look the same"),
        (str, known([NFD]), "'cafe\\u0301' is not in the Unicode form NFC; works: 'caf\\xe9'"),
    ],
)  # fmt: skip
def test_a_rule_that_a_table_cannot_check_is_refused_by_name_with_what_works(
    annotation: Any, message: dict[str, Any], works: str
) -> None:
    with pytest.raises(ContractError) as refused:
        fields_of(annotation, **message)
    assert "'speed'" in str(refused.value)
    assert works in str(refused.value)


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (float, {**SPEED, "title": "Speed", "examples": [3.5]}),
        (float | None, {**SPEED, "default": None}),
        (Annotated[float, Field(ge=0)], {"le": 9}),
        (Literal["a", "b"] | None, {"default": None}),
        (Literal["Aa", "AA"], {}),
        (str, known(["café", "naïve", "東京"])),
        (bool | None, {"default": None}),
        (date, {"ge": date(1, 1, 1), "le": date(9999, 12, 31)}),
        (
            datetime | None,
            {"ge": datetime(2026, 1, 1), "le": datetime(2027, 1, 1), "default": None},
        ),
    ],
)
def test_a_rule_that_a_table_can_check_is_read(annotation: Any, message: dict[str, Any]) -> None:
    assert fields_of(annotation, **message).names == ("speed",)


class Plain(Contract):
    """A contract that others inherit from."""

    speed: float = Field(ge=0, le=9, description="Speed")
    colors: ClassVar[list[str]] = ["red"]


class Validated(Plain):
    @model_validator(mode="before")
    @classmethod
    def stripped(cls, row: Any) -> Any:
        return row


class Serialized(Plain):
    @field_serializer("speed")
    def rounded(self, speed: float) -> float:
        return round(speed)


class Computed(Plain):
    @computed_field  # type: ignore[prop-decorator]
    @property
    def fast(self) -> bool:
        return self.speed > 5


class Property(Plain):
    @property
    def fast(self) -> bool:
        return self.speed > 5


class Constructed(Plain):
    def __init__(self, **row: Any) -> None:
        super().__init__(**{"speed": 5.0} | row)


class Finished(Plain):
    def model_post_init(self, context: Any) -> None:
        self.speed = min(self.speed, 5.0)


class Lenient(Plain):
    model_config = ConfigDict(strict=False)


class Renamed(Plain):
    model_config = ConfigDict(alias_generator=str.upper)


class Mixed(Plain, Inner):
    """Inherits from another model as well."""


class Private(Plain):
    _factor: float = 2.0


@pytest.mark.parametrize(
    ("row", "works"),
    [
        (Validated, "validators of its own (stripped)"),
        (Serialized, "(rounded)"),
        (Computed, "(fast)"),
        (Property, "code or attributes of its own (fast)"),
        (Constructed, "(__init__)"),
        (Finished, "(model_post_init)"),
        (Lenient, "Lenient has a model_config of its own"),
        (Renamed, "Renamed has a model_config of its own"),
        (Mixed, "Mixed inherits from Inner"),
        (Private, "(_factor"),
    ],
)
def test_code_of_a_class_that_runs_on_requests_alone_is_refused(
    row: type[Contract], works: str
) -> None:
    with pytest.raises(ContractError) as refused:
        read_fields(row)
    assert works in str(refused.value)
    heir: Any = create_model("Heir", __base__=row)
    with pytest.raises(ContractError):
        read_fields(heir)


def test_fields_of_an_inherited_contract_are_read() -> None:
    heir: Any = create_model("Heir", __base__=Plain, wet=(bool, Field(description="It rains")))
    assert read_fields(heir).names == ("speed", "wet")


def test_the_largest_exact_integer_is_accepted() -> None:
    assert fields_of(int, ge=-(2**24), le=2**24)["speed"].bounds == (-(2**24), 2**24)


@pytest.mark.parametrize("name", ["id", "unit", "ID", "Unit"])
def test_a_name_that_requests_use_is_refused(name: str) -> None:
    fields: Any = {name: (bool, Field(description="Something"))}
    with pytest.raises(ContractError, match=f"'{name}'.*rename"):
        read_fields(create_model("Row", __base__=Contract, **fields))


def test_a_contract_without_fields_is_refused() -> None:
    with pytest.raises(ContractError, match="at least one, such as amount: float"):
        read_fields(create_model("Row", __base__=Contract))


def test_names_that_differ_by_case_alone_are_refused() -> None:
    more: Any = {name: (bool, Field(description="Something")) for name in ("late", "Late")}
    with pytest.raises(
        ContractError, match=r"'late' and 'Late' differ by case or Unicode form alone.*rename one"
    ):
        terms_of(create_model("Row", __base__=Contract, __module__=Flat.__module__, **more))
    with pytest.raises(ContractError, match="'floor' and 'Floor' differ by case"):
        terms_of(Flat, LABEL="Floor")


@pytest.mark.parametrize("name", ["", " ", " key", "ke\ny", "ke\u200by"])
def test_a_column_name_without_visible_characters_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match="ID must name a column"):
        terms_of(Flat, ID=name)


@pytest.mark.parametrize(
    "name", ["score", "decision", "refused", "arm", "model_version", "mode", "at", "Mode"]
)
def test_an_id_with_the_name_of_a_score_column_is_refused(name: str) -> None:
    with pytest.raises(
        ContractError, match=f"a file of scores has a column '{name}' of its own; works: rename"
    ):
        terms_of(Flat, ID=name)


@pytest.mark.parametrize("constant", ["ID", "GROUP", "EVENT_TIME", "LABEL"])
def test_a_column_beside_the_fields_cannot_be_a_field(constant: str) -> None:
    with pytest.raises(ContractError, match=f"{constant} = 'floor' is also a field"):
        terms_of(Flat, **{constant: "floor"})


@pytest.mark.parametrize("constant", ["ID", "LABEL"])
def test_id_and_label_must_be_named(constant: str) -> None:
    with pytest.raises(
        ContractError, match=f'{constant} must name a column; given None; works: {constant} = "'
    ):
        terms_of(Flat, **{constant: None})


def test_columns_beside_the_fields_with_the_same_name_are_refused() -> None:
    with pytest.raises(ContractError, match="must name different columns"):
        terms_of(Flat, GROUP="flat_id", ID="flat_id")


def test_a_tuple_without_its_comma_is_refused() -> None:
    message = r"""SLICES must be a tuple; given 'floor'; works: \("floor",\) with a comma"""
    with pytest.raises(ContractError, match=message):
        terms_of(Flat, SLICES="floor")


def test_validators_that_the_data_check_cannot_run_are_refused() -> None:
    class Odd(Contract):
        number: int = Field(ge=1, le=9, description="An odd number")

        @field_validator("number")
        @classmethod
        def is_odd(cls, number: int) -> int:
            return number

    with pytest.raises(ContractError, match="Odd has validators of its own"):
        read_fields(Odd)


@pytest.mark.parametrize("name", ["size", "color"])
def test_a_slice_must_be_a_category_or_boolean_field(name: str) -> None:
    with pytest.raises(ContractError, match=f"SLICES names '{name}'; works: a category or boolean"):
        terms_of(Flat, SLICES=(name,))


def test_a_personal_field_must_exist() -> None:
    with pytest.raises(ContractError, match=r"PII names \['color'\]"):
        terms_of(Flat, PII=("color",))


def test_a_module_defines_one_contract() -> None:
    with pytest.raises(ContractError, match="one Contract class"):
        terms_of(Flat, another=Parcel)


def test_bounds_of_a_datetime_are_utc_unless_they_have_a_time_zone() -> None:
    there = timezone(timedelta(hours=2))
    bounds = {"ge": datetime(2026, 1, 1), "le": datetime(2026, 1, 2, tzinfo=there)}
    low, high = fields_of(datetime, **bounds)["speed"].bounds or (0, 0)
    assert (low, high - low) == (datetime(2026, 1, 1, tzinfo=UTC).timestamp(), 22 * 3_600)
