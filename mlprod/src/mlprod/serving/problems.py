"""Errors as application/problem+json (RFC 9457): what is wrong, the given value, what works."""

import json
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from ..contract.documentation import example_value, rule_text
from ..contract.schema import Fields
from ..display.counting import count_of

MAX_SHOWN_ERRORS = 20  # in one answer
# More errors are only counted, because listing them takes longer than finding them.
MAX_LISTED_ERRORS = 10_000
MAX_VALUE_LENGTH = 80  # characters of a given value in an error


class ProblemError(Exception):
    """A problem, sent instead of an answer.

    `shed`: why a valid request was refused, as a label of ml_requests_shed; "" for other problems.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[dict[str, Any]] = (),
        retry_after: int | None = None,
        shed: str = "",
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.retry_after, self.shed = retry_after, shed

    @property
    def body(self) -> bytes:
        title = HTTPStatus(self.status).phrase
        message = {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        }
        return json.dumps(message | {"errors": list(self.errors)}).encode()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        result = [(b"content-type", b"application/problem+json")]
        if self.retry_after is not None:
            result.append((b"retry-after", str(self.retry_after).encode()))
        if self.status == HTTPStatus.UNAUTHORIZED:
            result.append((b"www-authenticate", b"Bearer"))
        return result


def validation_problem(
    error: ValidationError,
    fields: Fields | None = None,
    examples: dict[str, Any] | None = None,
    personal: Sequence[str] = (),
) -> ProblemError:
    """Return the problem of an invalid body.

    The rules are those of the contract for the fields of a row, else those of the route. `examples`
    has working values for the latter. Given values of `personal` fields are not repeated.
    """
    if (count := error.error_count()) > MAX_LISTED_ERRORS:
        return ProblemError(
            422,
            f"the body breaks the contract in {count:,} places, too many to list; no part "
            f"of it was used",
        )
    errors = error.errors(include_url=False, include_context=False)
    entries = [
        _error_entry(dict(item), fields, examples or {}, personal)
        for item in errors[:MAX_SHOWN_ERRORS]
    ]
    unreadable = any(item["rule"].startswith("JSON") for item in entries)
    where = (
        "is not JSON" if unreadable else f"breaks the contract in {count_of(len(errors), 'place')}"
    )
    return ProblemError(
        400 if unreadable else 422, f"the body {where}; no part of it was used", entries
    )


def count_violations(error: ValidationError, fields: Fields) -> dict[tuple[str, str], int]:
    """Return the number of violations by field and rule, by pydantic's name of the rule.

    A name that is not a field of the contract is "(other)".
    """
    if (count := error.error_count()) > MAX_LISTED_ERRORS:
        return {("(other)", "too_many"): count}
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    names = [str(item["loc"][2]) if len(item["loc"]) > 2 else "" for item in errors]
    known = set(fields.names)
    return Counter(
        (name if name in known else "(other)", item["type"])
        for name, item in zip(names, errors, strict=True)
    )


def _error_entry(
    item: dict[str, Any], fields: Fields | None, examples: dict[str, Any], personal: Sequence[str]
) -> dict[str, Any]:
    location, kind = item["loc"], item["type"]
    row = location[1] if len(location) > 1 else None
    name = str(location[2]) if len(location) > 2 else str(location[0]) if location else None
    known = fields[name] if fields and name and len(location) > 2 and name in fields.names else None
    if kind == "json_invalid":
        message = f"JSON: {item['msg']}"
    else:
        message = f"{item['msg']} ({rule_text(known)})" if known else item["msg"]
    return {
        "row": row,
        "field": name[:MAX_VALUE_LENGTH] if name else None,
        "rule": message[:400],
        "given": None
        if kind in ("missing", "json_invalid") or name in personal
        else _shown(item["input"]),
        "example": example_value(known) if known else examples.get(name or ""),
    }


def _shown(given: Any) -> str:
    """Return a given value; for an object or list, which may hold PII, only type and size."""
    if isinstance(given, dict | list):
        return f"{'an object' if isinstance(given, dict) else 'a list'} of {len(given)}"
    return repr(given)[:MAX_VALUE_LENGTH]
