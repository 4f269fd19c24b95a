import pytest
from seams import CLAIMS, PARCELS, Message, Parcel, terms_of

from mlprod.contract.dates import parse_date, parse_datetime
from mlprod.contract.documentation import example_value, fields_table, rule_text


def test_the_table_shows_meaning_rule_and_marks_of_every_field() -> None:
    page = fields_table(PARCELS)
    assert "| `weight` | Weight | number from 0 to 30 kg | no |" in page
    assert "| `courier` | Who brings it (slice) | one of bike, van | no |" in page
    assert (
        "| `city` | Where to | a category; known are bergen, oslo; others count as unknown | no |"
        in page
    )
    assert "| `distance` | Way to go (personal) | number from 0 to 100 | yes |" in page


@pytest.mark.parametrize("name", PARCELS.fields.names)
def test_the_example_of_a_field_is_accepted_by_the_contract(name: str) -> None:
    Parcel.__pydantic_validator__.validate_assignment(
        Parcel.model_construct(), name, example_value(PARCELS.fields[name])
    )


def test_dates_are_documented_as_texts() -> None:
    assert rule_text(CLAIMS.fields["happened"]) == "date from 2020-01-01 to 2030-12-31"
    rule = "datetime from 2020-01-01T00:00:00Z to 2030-12-31T23:59:00Z"
    assert f"| `reported` | When it was reported | {rule} | no |" in fields_table(CLAIMS)
    for field, parse in (("happened", parse_date), ("reported", parse_datetime)):
        assert parse(str(example_value(CLAIMS.fields[field])))


def test_text_is_documented_too() -> None:
    body = terms_of(Message).fields["body"]
    assert rule_text(body) == "text of at most 200 characters"
    assert Message(body=str(example_value(body)))
