"""datacontract.yaml against the JSON schema of the Open Data Contract Standard 3.1.

A Python package contains the schema.
"""

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
from conftest import BakedProject
from jsonschema import Draft201909Validator

SCHEMA: dict[str, Any] = json.loads(
    files("open_data_contract_standard").joinpath("schema.json").read_bytes()
)
GOOD: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "parcels",
    "version": "0.1.0",
    "status": "draft",
    "schema": [
        {
            "name": "Parcel",
            "logicalType": "object",
            "properties": [
                {
                    "name": "weight",
                    "logicalType": "number",
                    "logicalTypeOptions": {"minimum": 0, "maximum": 30},
                    "required": True,
                    "quality": [{"type": "library", "metric": "nullValues", "mustBe": 0}],
                    "customProperties": [{"property": "unit", "value": "kg"}],
                }
            ],
        }
    ],
    "team": {
        "members": [{"username": "you@example.org", "name": "Your Name", "role": "Data Owner"}]
    },
    "support": [{"channel": "#parcels"}],
}


def problems(contract: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft201909Validator(SCHEMA).iter_errors(contract)
    ]


def test_schema_has_version_3_1() -> None:
    """A newer package has the schema of a newer standard, which accepts more than 3.1."""
    assert SCHEMA["$schema"].endswith("2019-09/schema")
    assert SCHEMA["properties"]["apiVersion"]["default"] == "v3.1.0"


def test_valid_contract_is_accepted() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ([], "kind", "Contract"),
        ([], "apiVersion", "v3.2.0"),
        ([], "version", 1.0),
        ([], "owner", "Your Name"),
        ([], "team", {"members": [{"name": "Your Name"}]}),
        ([], "support", "#parcels"),
        (["schema", 0], "logicalType", "table"),
        (["schema", 0, "properties", 0], "name", None),
        (["schema", 0, "properties", 0], "logicalType", "float"),
        (["schema", 0, "properties", 0], "unit", "kg"),
        (["schema", 0, "properties", 0, "logicalTypeOptions"], "minimum", "0"),
        (["schema", 0, "properties", 0, "logicalTypeOptions"], "maxLength", 30),
        (["schema", 0, "properties", 0, "quality", 0], "metric", "nulls"),
        (["schema", 0, "properties", 0, "quality", 0], "mustBeLessThan", 1),
    ],
)
def test_invalid_contract_is_rejected(place: list[Any], key: str, value: Any) -> None:
    errors = copy.deepcopy(GOOD)
    part = errors
    for step in place:
        part = part[step]
    part[key] = value
    assert problems(errors) != []


@pytest.mark.parametrize("key", ["apiVersion", "kind", "id", "version", "status"])
def test_contract_without_a_required_key_is_rejected(key: str) -> None:
    assert problems({name: value for name, value in GOOD.items() if name != key}) != []


def test_baked_contract_is_valid(baked: BakedProject) -> None:
    contract = baked.yaml("datacontract.yaml")
    assert problems(contract) == []
    assert contract["apiVersion"] == "v3.1.0"


def test_baked_contract_names_the_data_owner_if_known(baked: BakedProject) -> None:
    people = {person["id"]: person for person in baked.yaml("governance/ownership.yaml")["people"]}
    owner = people["data_owner"]
    members = baked.yaml("datacontract.yaml").get("team", {"members": []})["members"]
    received = [(member["username"], member["name"], member["role"]) for member in members]
    assert received == (
        [] if owner["name"] == "TODO" else [(owner["email"], owner["name"], "Data Owner")]
    )
