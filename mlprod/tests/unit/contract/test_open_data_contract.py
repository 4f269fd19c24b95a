import json
from dataclasses import replace
from typing import Any, Literal

import pytest
import yaml
from pydantic import Field
from seams import CLAIMS, PARCELS, Flat, Message, terms_of

from mlprod.contract.open_data_contract import ContractFacts, open_data_contract
from mlprod.contract.schema import Contract, ContractSchema

NOBODY = ContractFacts(
    "parcels", "Says which parcels come late.", None, "TODO", "TODO", None, "0.1.0", "draft", None
)
TERMS = {
    "parcels": PARCELS,
    "flats": terms_of(Flat),
    "messages": terms_of(Message),
    "claims": CLAIMS,
}
HOSTILE = ["yes", "null", "1", "~", "a: b", "# no", "- c", "'", '"', "{x}", "a\\nb", "|", "ø", "😀"]


def read(terms: ContractSchema, facts: ContractFacts = NOBODY) -> dict[str, Any]:
    """The document as a reader of its YAML gets it."""
    document: dict[str, Any] = yaml.safe_load(
        yaml.safe_dump(open_data_contract(terms, facts), sort_keys=False)
    )
    return document


def columns(terms: ContractSchema) -> dict[str, dict[str, Any]]:
    (rows,) = read(terms)["schema"]
    return {column["name"]: column for column in rows["properties"]}


def metrics(column: dict[str, Any]) -> list[str]:
    return [rule["metric"] for rule in column.get("quality", [])]


@pytest.mark.parametrize("name", TERMS)
def test_every_column_appears_once_in_the_order_of_the_contract(name: str) -> None:
    terms = TERMS[name]
    (rows,) = read(terms)["schema"]
    beside = [column for column in (terms.id, terms.unit, terms.time, terms.label) if column]
    assert [column["name"] for column in rows["properties"]] == [*beside, *terms.fields.names]
    assert rows["name"] == terms.row.__name__
    assert rows["description"] == terms.row.__doc__


@pytest.mark.parametrize("name", TERMS)
def test_the_document_survives_yaml_and_json(name: str) -> None:
    document = open_data_contract(TERMS[name], NOBODY)
    assert read(TERMS[name]) == document == json.loads(json.dumps(document))
    assert "&id" not in yaml.safe_dump(document)
    assert yaml.safe_dump(open_data_contract(TERMS[name], NOBODY)) == yaml.safe_dump(document)


def test_a_date_has_its_type_and_bounds() -> None:
    happened, called = (columns(CLAIMS)[name] for name in ("happened", "called"))
    assert happened["logicalType"] == "date"
    assert happened["logicalTypeOptions"] == {"minimum": "2020-01-01", "maximum": "2030-12-31"}
    assert called["logicalType"] == "timestamp"
    assert called["logicalTypeOptions"]["minimum"] == "1990-01-01T00:00:00Z"


def test_a_field_has_type_bounds_unit_and_meaning() -> None:
    weight, stops, express = (columns(PARCELS)[name] for name in ("weight", "stops", "express"))
    assert (weight["logicalType"], weight["logicalTypeOptions"]) == (
        "number",
        {"minimum": 0, "maximum": 30},
    )
    assert (stops["logicalType"], stops["logicalTypeOptions"]) == (
        "integer",
        {"minimum": 0, "maximum": 50},
    )
    assert (express["logicalType"], "logicalTypeOptions" in express) == ("boolean", False)
    assert weight["description"] == "Weight"
    assert {"property": "unit", "value": "kg"} in weight["customProperties"]
    assert "customProperties" not in stops


def test_a_text_has_its_maximum_length() -> None:
    body = columns(terms_of(Message))["body"]
    assert (body["logicalType"], body["logicalTypeOptions"]) == ("string", {"maxLength": 200})


@pytest.mark.parametrize("name", TERMS)
def test_only_fields_that_may_be_missing_are_not_required(name: str) -> None:
    terms, result = TERMS[name], columns(TERMS[name])
    optional = {field.name for field in terms.fields if field.optional} | {terms.label}
    assert {name for name, column in result.items() if not column["required"]} == optional
    never_null = {"type": "library", "metric": "nullValues", "mustBe": 0}
    assert {
        name for name, column in result.items() if never_null not in column.get("quality", [])
    } == optional


def test_a_closed_set_forbids_other_categories_and_an_open_set_does_not() -> None:
    courier, city = columns(PARCELS)["courier"], columns(PARCELS)["city"]
    (rule,) = [rule for rule in courier["quality"] if rule["metric"] == "invalidValues"]
    assert (rule["arguments"], rule["mustBe"]) == ({"validValues": ["bike", "van"]}, 0)
    assert "invalidValues" not in metrics(city)
    assert "customProperties" not in courier
    assert city["customProperties"] == [{"property": "knownValues", "value": ["bergen", "oslo"]}]


def test_categories_with_yaml_syntax_survive() -> None:
    class Tone(Contract):
        heard: Literal["yes", "null", "1", "~", "- a", "b:"] = Field(
            description="# A: 'tone'\nof \"it\""
        )
        guessed: str = Field(description="- {x}", json_schema_extra={"known": list(HOSTILE)})

    heard, guessed = (columns(terms_of(Tone))[name] for name in ("heard", "guessed"))
    assert heard["quality"][-1]["arguments"] == {
        "validValues": ["yes", "null", "1", "~", "- a", "b:"]
    }
    assert guessed["customProperties"] == [{"property": "knownValues", "value": HOSTILE}]
    assert [column["description"] for column in (heard, guessed)] == [
        "# A: 'tone'\nof \"it\"",
        "- {x}",
    ]


def test_only_personal_fields_are_restricted() -> None:
    result = columns(PARCELS)
    assert {
        name: column["classification"]
        for name, column in result.items()
        if "classification" in column
    } == {"distance": "restricted"}
    assert result["distance"]["tags"] == ["personal"]


def test_the_columns_beside_the_fields_have_their_own_tags() -> None:
    result = columns(PARCELS)
    tags = {
        name: result[name].get("tags")
        for name in ("parcel", "customer", "at", "late", "courier", "weight")
    }
    assert tags == {
        "parcel": ["id"],
        "customer": ["unit"],
        "at": ["time"],
        "late": ["label"],
        "courier": ["slice"],
        "weight": None,
    }
    assert [
        name for name, column in result.items() if column.get("primaryKey") and column.get("unique")
    ] == ["parcel"]
    assert metrics(result["parcel"]) == ["nullValues", "duplicateValues"]
    assert [name for name, column in result.items() if "logicalType" not in column] == [
        "parcel",
        "customer",
        "late",
    ]
    assert result["at"]["logicalType"] == "timestamp"


def test_a_label_may_be_unknown_but_not_everywhere() -> None:
    (rule,) = columns(PARCELS)["late"]["quality"]
    assert (rule["metric"], rule["mustBeLessThan"], rule["unit"]) == ("nullValues", 100, "percent")


def test_owner_and_support_channel_appear_once_they_are_known() -> None:
    unknown = read(PARCELS)
    assert not {"team", "support", "domain"} & set(unknown)
    assert set(unknown["description"]) == {"purpose", "usage"}
    named = replace(
        NOBODY, owner_name="Your Name", owner_email="you@example.org", domain="delivery"
    )
    received = read(PARCELS, replace(named, support_channel="#parcels", limitations="Norway only"))
    owner = {"username": "you@example.org", "name": "Your Name", "role": "Data Owner"}
    assert received["team"] == {"members": [owner]}
    assert received["support"] == [{"channel": "#parcels"}]
    assert (received["domain"], received["description"]["limitations"]) == (
        "delivery",
        "Norway only",
    )


@pytest.mark.parametrize(("name", "email"), [("Your Name", "TODO"), ("TODO", "you@example.org")])
def test_an_owner_without_name_or_email_is_left_out(name: str, email: str) -> None:
    assert "team" not in read(PARCELS, replace(NOBODY, owner_name=name, owner_email=email))


def test_the_document_keeps_its_id_after_a_change_of_the_contract() -> None:
    document = read(PARCELS)
    assert (document["apiVersion"], document["kind"], document["status"]) == (
        "v3.1.0",
        "DataContract",
        "draft",
    )
    assert (
        document["id"]
        == read(terms_of(Flat), replace(NOBODY, version="0.2.0", status="active"))["id"]
    )
