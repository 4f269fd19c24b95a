"""The contract as a document of the Open Data Contract Standard (ODCS) 3.1, by bitol-io.

Teams that deliver or catalog the rows read it.
"""

import inspect
from dataclasses import dataclass
from typing import Any, Literal

from .dates import DATE_EXAMPLES
from .documentation import bound_text
from .schema import ContractSchema, Field

TODO = "TODO"
# The types of the standard whose name is not that of the kind.
LOGICAL_TYPES = {"category": "string", "text": "string", "datetime": "timestamp"}


@dataclass(frozen=True)
class ContractFacts:
    """Facts about the data that contract.py does not hold.

    The document leaves out what is None, and the owner while name or e-mail is TODO.
    """

    name: str
    purpose: str
    limitations: str | None
    owner_name: str
    owner_email: str
    domain: str | None
    version: str
    status: Literal["draft", "active"]
    support_channel: str | None


def open_data_contract(terms: ContractSchema, facts: ContractFacts) -> dict[str, Any]:
    """Return a document of ODCS v3.1.0, with its keys in an order for readers.

    It consists of dicts, lists, strings, numbers and booleans.
    """
    usage = (
        f"Trains and measures a model of {terms.label}; a request to the model brings the same "
        f"fields."
    )
    owner = {"username": facts.owner_email, "name": facts.owner_name, "role": "Data Owner"}
    return _known(
        apiVersion="v3.1.0",
        kind="DataContract",
        id=facts.name,
        version=facts.version,
        status=facts.status,
        name=facts.name,
        domain=facts.domain,
        description=_known(purpose=facts.purpose, limitations=facts.limitations, usage=usage),
        schema=[_rows(terms)],
        team=None if TODO in (facts.owner_name, facts.owner_email) else {"members": [owner]},
        support=None if facts.support_channel is None else [{"channel": facts.support_channel}],
    )


def _known(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}


def _rows(terms: ContractSchema) -> dict[str, Any]:
    return _known(
        name=terms.row.__name__,
        logicalType="object",
        description=inspect.cleandoc(terms.row.__doc__ or "") or None,
        dataGranularityDescription=f"One row for each {terms.id}",
        properties=[*_beside_the_fields(terms), *(_property(item, terms) for item in terms.fields)],
        quality=[_rule("rowCount", mustBeGreaterThan=0)],
    )


def _beside_the_fields(terms: ContractSchema) -> list[dict[str, Any]]:
    """Return the properties of ID, GROUP, EVENT_TIME and LABEL.

    A property has no logicalType if the data check accepts more than one.
    """
    columns = [
        _column(terms.id, "id", "Names one row: a string, an integer or a UUID")
        | {"primaryKey": True, "primaryKeyPosition": 1, "unique": True}
        | {"quality": [_rule("nullValues", mustBe=0), _rule("duplicateValues", mustBe=0)]},
        _column(
            terms.unit, "unit", "Rows of one unit belong together: a string, an integer or a UUID"
        ),
        _column(terms.time, "time", "When the row happened") | {"logicalType": "timestamp"},
        _label(terms),
    ]
    return [column for column in columns if column["name"] is not None]


def _label(terms: ContractSchema) -> dict[str, Any]:
    rules = [_rule("nullValues", mustBeLessThan=100, unit="percent")]
    meaning = "The outcome to predict, null until it is known"
    if not terms.classes:
        column = _column(terms.label, "label", f"{meaning}: yes or no, 0 or 1, or a number")
        return column | {"required": False, "quality": rules}
    is_text = isinstance(terms.classes[0], str)
    rules.append(_rule("invalidValues", mustBe=0, arguments={"validValues": list(terms.classes)}))
    return (
        _column(terms.label, "label", f"{meaning}: one of the classes")
        | {"logicalType": "string" if is_text else "integer"}
        | {"required": False, "quality": rules}
    )


def _column(name: str | None, tag: str, description: str) -> dict[str, Any]:
    quality = [_rule("nullValues", mustBe=0)]
    return {
        "name": name,
        "required": True,
        "description": description,
        "tags": [tag],
        "quality": quality,
    }


def _property(item: Field, terms: ContractSchema) -> dict[str, Any]:
    marks = {"slice": terms.slices, "personal": terms.personal}
    # The standard has no key for a unit of measure, nor for the known categories of an open set.
    further = {"unit": item.unit, "knownValues": list(item.categories) if item.open else []}
    return _known(
        name=item.name,
        logicalType=LOGICAL_TYPES.get(item.kind, item.kind),
        logicalTypeOptions=_options(item),
        required=not item.optional,
        description=item.description,
        classification="restricted" if item.name in terms.personal else None,
        tags=[mark for mark, names in marks.items() if item.name in names] or None,
        quality=_rules(item) or None,
        customProperties=[
            {"property": key, "value": value} for key, value in further.items() if value
        ]
        or None,
    )


def _options(item: Field) -> dict[str, Any] | None:
    """Return bounds and length, which the standard has here and not among its quality metrics."""
    if item.bounds and item.kind in DATE_EXAMPLES:
        low, high = (bound_text(item, bound) for bound in item.bounds)
        return {"minimum": low, "maximum": high}
    if item.bounds:
        return dict(zip(("minimum", "maximum"), item.bounds, strict=True))
    return {"maxLength": item.longest} if item.kind == "text" else None


def _rules(item: Field) -> list[dict[str, Any]]:
    missing = [] if item.optional else [_rule("nullValues", mustBe=0)]
    if item.kind != "category" or item.open:
        return missing
    return [
        *missing,
        _rule("invalidValues", mustBe=0, arguments={"validValues": list(item.categories)}),
    ]


def _rule(metric: str, **limits: Any) -> dict[str, Any]:
    return {"type": "library", "metric": metric} | limits
