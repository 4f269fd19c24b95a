"""Errors as application/problem+json (RFC 9457): what was wrong, where, what was given, and what
works.
"""

import json
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from ..contract.documentation import example, rule
from ..contract.schema import Fields

SHOWN = 20  # errors told in one answer
MANY = 10_000  # errors that are not even looked at: to list them takes longer than to find them
LONGEST = 80  # characters of a given value


class ProblemError(Exception):
    """An answer that is no prediction.

    `shed`: why nothing was answered although nothing was wrong with the request.
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


def refused(
    error: ValidationError,
    fields: Fields | None = None,
    examples: dict[str, Any] | None = None,
    personal: Sequence[str] = (),
) -> ProblemError:
    """The answer to a body that breaks its rules: the contract's for the fields of a row, else
    those of the route, for which `examples` hold what works. What was given for a `personal` field
    is not repeated.
    """
    if (count := error.error_count()) > MANY:
        return ProblemError(
            422,
            f"the body breaks the contract in {count:,} places, too many to tell; nothing "
            f"of it was used",
        )
    received = error.errors(include_url=False, include_context=False)
    result = [_told(dict(item), fields, examples or {}, personal) for item in received[:SHOWN]]
    unreadable = any(item["rule"].startswith("JSON") for item in result)
    where = "is not JSON" if unreadable else f"breaks the contract in {len(received)} places"
    return ProblemError(
        400 if unreadable else 422, f"the body {where}; nothing of it was used", result
    )


def places(error: ValidationError, fields: Fields) -> dict[tuple[str, str], int]:
    """How often which field broke which rule, by pydantic's name for it.

    What is no field is "(other)".
    """
    if (count := error.error_count()) > MANY:
        return {("(other)", "too_many"): count}
    received = error.errors(include_url=False, include_context=False, include_input=False)
    names = [str(item["loc"][2]) if len(item["loc"]) > 2 else "" for item in received]
    known = set(fields.names)
    return Counter(
        (name if name in known else "(other)", item["type"])
        for name, item in zip(names, received, strict=True)
    )


def _told(
    item: dict[str, Any], fields: Fields | None, examples: dict[str, Any], personal: Sequence[str]
) -> dict[str, Any]:
    location, kind = item["loc"], item["type"]
    row = location[1] if len(location) > 1 else None
    name = str(location[2]) if len(location) > 2 else str(location[0]) if location else None
    known = fields[name] if fields and name and len(location) > 2 and name in fields.names else None
    if kind == "json_invalid":
        message = f"JSON: {item['msg']}"
    else:
        message = f"{item['msg']} ({rule(known)})" if known else item["msg"]
    return {
        "row": row,
        "field": name[:LONGEST] if name else None,
        "rule": message[:400],
        "given": None
        if kind in ("missing", "json_invalid") or name in personal
        else _shown(item["input"]),
        "example": example(known) if known else examples.get(name or ""),
    }


def _shown(given: Any) -> str:
    """A value as it was given; of an object or a list only what it is, since personal fields may
    stand in it.
    """
    if isinstance(given, dict | list):
        return f"{'an object' if isinstance(given, dict) else 'a list'} of {len(given)}"
    return repr(given)[:LONGEST]
