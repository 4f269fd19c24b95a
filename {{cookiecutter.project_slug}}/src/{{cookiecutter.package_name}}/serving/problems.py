"""Errors as application/problem+json (RFC 9457): what was wrong, where, what was given, and what works."""

import json
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic import ValidationError

from ..contract.documentation import example, rule
from ..contract.terms import Fields

SHOWN = 20  # errors told in one answer
LONGEST = 80  # characters of a given value


def problem(
    status: int, detail: str, errors: list[dict[str, Any]] | None = None, retry_after: int | None = None
) -> Response:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": errors or [],
    }
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    return Response(json.dumps(body), status_code=status, media_type="application/problem+json", headers=headers)


def refused(error: ValidationError, fields: Fields) -> Response:
    """The answer to a body that breaks the contract."""
    found = [_told(dict(item), fields) for item in error.errors(include_url=False, include_context=False)]
    unreadable = any(item["rule"] == "JSON" for item in found)
    where = "is not JSON" if unreadable else f"breaks the contract in {len(found)} places"
    return problem(400 if unreadable else 422, f"the body {where}; nothing was scored", found[:SHOWN])


def _told(item: dict[str, Any], fields: Fields) -> dict[str, Any]:
    location = item["loc"]
    row = location[1] if len(location) > 1 else None
    name = str(location[2]) if len(location) > 2 else str(location[0]) if location else None
    known = len(location) > 2 and name in fields.names
    missing = item["type"] == "missing"
    return {
        "row": row,
        "field": name[:LONGEST] if name else None,
        "rule": "JSON"
        if item["type"] == "json_invalid"
        else item["msg"]
        if not known
        else f"{item['msg']} ({rule(fields[str(name)])})",
        "given": None if missing or item["type"] == "json_invalid" else repr(item["input"])[:LONGEST],
        "example": example(fields[str(name)]) if known else None,
    }
