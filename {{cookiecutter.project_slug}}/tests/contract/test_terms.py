from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model, field_validator
from seams import PARCELS, Flat, Parcel, terms_of

from {{cookiecutter.package_name}}.contract.terms import Contract, ContractError, Fields, read_fields


def fields_of(annotation: Any, **said: Any) -> Fields:
    said = {"description": "Something"} | said
    return read_fields(create_model("Row", __base__=Contract, speed=(annotation, Field(**said))))


def known(words: Any) -> dict[str, Any]:
    extra = {"known": words}
    return {"json_schema_extra": extra}


def test_a_contract_is_read_in_its_own_order() -> None:
    assert PARCELS.fields.names == ("weight", "stops", "courier", "city", "express", "distance")
    kinds = ["number", "integer", "category", "category", "boolean", "number"]
    assert [field.kind for field in PARCELS.fields] == kinds


def test_a_field_carries_bounds_words_unit_and_meaning() -> None:
    weight, city, distance = (PARCELS.fields[name] for name in ("weight", "city", "distance"))
    assert (weight.bounds, weight.unit, weight.description) == ((0, 30), "kg", "Weight")
    assert (city.categories, city.open) == (("bergen", "oslo"), True)
    assert distance.optional
    assert not weight.optional


def test_positions_tell_categories_from_numbers() -> None:
    assert (PARCELS.fields.categorical, PARCELS.fields.numeric) == ([2, 3], [0, 1, 4, 5])


def test_another_meaning_is_another_digest() -> None:
    assert fields_of(bool).digest() == fields_of(bool).digest() != fields_of(bool, description="Else").digest()


@pytest.mark.parametrize(
    ("annotation", "said", "works"),
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
        (bytes, {}, "Literal of words"),
        (int | str, {"default": 1}, "Literal of words"),
        (Literal[1, 2], {}, '["chip", "online"]'),
        (str, known([]), '["chip", "online"]'),
        (str, known(["a", "a"]), '["chip", "online"]'),
        (str, known("ab"), '["chip", "online"]'),
        (float, {"gt": 0, "le": 1}, "use ge, le"),
        (int, {"ge": 0, "le": 9, "multiple_of": 3}, "use ge, le"),
        (str, {"max_length": 9, "pattern": "^a"}, "Literal or max_length"),
        (Annotated[float, Field(ge=0, le=1)] | None, {"default": None}, "float or int with ge and le"),
    ],
)
def test_a_field_that_cannot_be_checked_is_refused_by_name_with_what_works(
    annotation: Any, said: dict[str, Any], works: str
) -> None:
    with pytest.raises(ContractError) as refused:
        fields_of(annotation, **said)
    assert "'speed'" in str(refused.value)
    assert works in str(refused.value)


def test_the_largest_exact_integer_is_accepted() -> None:
    assert fields_of(int, ge=-(2**24), le=2**24)["speed"].bounds == (-(2**24), 2**24)


@pytest.mark.parametrize("name", ["id", "unit"])
def test_a_name_that_requests_use_is_refused(name: str) -> None:
    fields: Any = {name: (bool, Field(description="Something"))}
    with pytest.raises(ContractError, match=f"'{name}'.*rename"):
        read_fields(create_model("Row", __base__=Contract, **fields))


def test_a_contract_without_fields_is_refused() -> None:
    with pytest.raises(ContractError, match="at least one: amount: float"):
        read_fields(create_model("Row", __base__=Contract))


@pytest.mark.parametrize("constant", ["ID", "UNIT", "TIME", "LABEL"])
def test_a_column_beside_the_fields_cannot_be_a_field(constant: str) -> None:
    with pytest.raises(ContractError, match=f"{constant} = 'floor' is also a field"):
        terms_of(Flat, **{constant: "floor"})


@pytest.mark.parametrize("constant", ["ID", "LABEL"])
def test_id_and_label_must_be_named(constant: str) -> None:
    with pytest.raises(ContractError, match=f'{constant} must name a column, for example {constant} = "'):
        terms_of(Flat, **{constant: None})


def test_the_columns_beside_the_fields_are_different_ones() -> None:
    with pytest.raises(ContractError, match="must name different columns"):
        terms_of(Flat, UNIT="flat_id", ID="flat_id")


def test_a_tuple_without_its_comma_is_refused() -> None:
    with pytest.raises(ContractError, match=r'SLICES is a tuple: \("floor",\) with a comma'):
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


@pytest.mark.parametrize("name", ["size", "colour"])
def test_a_slice_must_be_a_category_or_boolean_field(name: str) -> None:
    with pytest.raises(ContractError, match=f"SLICES names '{name}'; a slice is a category or boolean"):
        terms_of(Flat, SLICES=(name,))


def test_a_personal_field_must_exist() -> None:
    with pytest.raises(ContractError, match=r"PERSONAL names \['colour'\]"):
        terms_of(Flat, PERSONAL=("colour",))


def test_a_module_defines_one_contract() -> None:
    with pytest.raises(ContractError, match="one Contract class"):
        terms_of(Flat, another=Parcel)
