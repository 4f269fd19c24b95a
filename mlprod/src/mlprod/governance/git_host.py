"""Verification of acceptances with the git host: did the people approve with their own account?

An approval counts if the request is merged, it changed governance/ownership.yaml, and the approved
version of that file names this person for this outcome.
"""

import functools
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import yaml

from ..loopback import open_address
from .ownership import Ownership, Responsibility
from .people import Acceptance, Person

PULL = re.compile(r"https://[^/]+/(?P<repository>[^/]+/[^/]+)/pull/(?P<number>\d+)/?")
MERGE = re.compile(r"https://[^/]+/(?P<repository>.+?)/-/merge_requests/(?P<number>\d+)/?")
# The last of these states counts. A later comment does not revoke an approval.
REVIEW_STATES = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
FILE = "governance/ownership.yaml"


class _UnconfirmedError(Exception):
    """Why the git host does not confirm an acceptance."""


@dataclass(frozen=True)
class Approval:
    """A pull or merge request, with the accounts that approved its last commit.

    `file` is FILE as it was approved, or None if the request did not change it.
    """

    accounts: frozenset[str]
    merged: bool
    file: str | None


def unconfirmed_acceptances(ownership: Ownership) -> list[str]:
    """A line for each acceptance that the git host does not confirm.

    GitHub is queried with GITHUB_TOKEN (at GITHUB_API_URL), GitLab with GITLAB_TOKEN (at
    CI_API_V4_URL).
    """
    if not ownership.outcomes:
        return [f"{FILE}: outcomes: none, so nothing was confirmed"]
    errors, approval = [], functools.cache(_approval)
    for outcome in ownership.outcomes:
        result = [
            a
            for a in ownership.accepted
            if (a.outcome, a.person) == (outcome.id, outcome.accountable)
        ]
        key = f"governance/ownership.yaml: accepted: {outcome.id}"
        if not result:
            errors.append(f"{key}: {outcome.accountable} has not accepted")
            continue
        last, person = (
            max(result, key=lambda acceptance: acceptance.date),
            ownership.person(outcome.accountable),
        )
        if person is None or not person.handle:
            errors.append(
                f"{key}: people: {outcome.accountable}: handle: not filled in; the account name at "
                f"the git host works"
            )
            continue
        try:
            _confirm(approval(last.evidence), last, outcome, person)
        except _UnconfirmedError as error:
            errors.append(f"{key}: {error}")
    return errors


def _confirm(
    approval: Approval, acceptance: Acceptance, outcome: Responsibility, person: Person
) -> None:
    """Raises _UnconfirmedError unless a merged request shows the acceptance by this person."""
    if person.handle.lower().lstrip("@") not in approval.accounts:
        raise _UnconfirmedError(
            f"{person.handle} has not approved {acceptance.evidence}, or not its last commit"
        )
    if not approval.merged:
        raise _UnconfirmedError(f"{acceptance.evidence} is not merged")
    if approval.file is None:
        raise _UnconfirmedError(
            f"{acceptance.evidence} did not change {FILE}, so it was about something else"
        )
    if _accountable(approval.file, outcome.id) != person.handle.lower().lstrip("@"):
        raise _UnconfirmedError(
            f"{FILE}, as approved in {acceptance.evidence}, does not name {person.handle} "
            f"for {outcome.id}"
        )


def _accountable(text: str, outcome: str) -> str:
    """The account of the accountable person in an old file; empty if the file has none."""
    try:
        file = yaml.safe_load(text)
        id = next(item["accountable"] for item in file["outcomes"] if item["id"] == outcome)
        return (
            str(next(entry["handle"] for entry in file["people"] if entry["id"] == id))
            .lower()
            .lstrip("@")
        )
    except (yaml.YAMLError, LookupError, StopIteration, TypeError, RecursionError):
        return ""


def _approval(address: str) -> Approval:
    own = os.environ.get("GITHUB_REPOSITORY") or os.environ.get("CI_PROJECT_PATH")
    pull, merge = PULL.fullmatch(address), MERGE.fullmatch(address)
    if not (result := pull or merge):
        raise _UnconfirmedError(
            f"evidence: {address!r} is not the address of a pull or merge request"
        )
    if own and result["repository"].lower() != own.lower():
        raise _UnconfirmedError(f"evidence: {address} is of another repository than {own}")
    return (
        _at_github(pull["repository"], pull["number"])
        if pull
        else _at_gitlab(result["repository"], result["number"])
    )


def _at_github(repository: str, number: str) -> Approval:
    api, token = (
        os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        os.environ.get("GITHUB_TOKEN", ""),
    )
    headers = {"authorization": f"Bearer {token}"} if token else None
    url = f"{api}/repos/{repository}/pulls/{number}"
    reviews = _list(_get(f"{url}/reviews?per_page=100", headers))
    pull = _one(_get(url, headers))
    head = str((pull.get("head") or {}).get("sha", ""))
    # Account → whether its last review approves the last commit.
    states: dict[str, bool] = {}
    for review in reviews:
        if review.get("user") and review.get("state") in REVIEW_STATES:
            approved = (
                review["state"] == "APPROVED" and bool(head) and review.get("commit_id") == head
            )
            states[str(review["user"].get("login", "")).lower()] = approved
    accounts = frozenset(account for account, approved in states.items() if approved)
    names = [
        str(item.get("filename", "")) for item in _list(_get(f"{url}/files?per_page=100", headers))
    ]
    contents = f"{api}/repos/{repository}/contents/"
    raw = {**(headers or {}), "accept": "application/vnd.github.raw+json"}
    file = next(
        (
            _get(f"{contents}{urllib.parse.quote(name)}?ref={head}", raw)
            for name in names
            if _is_ours(name)
        ),
        None,
    )
    return Approval(accounts, bool(pull.get("merged")), _text(file))


def _at_gitlab(repository: str, number: str) -> Approval:
    api, token = (
        os.environ.get("CI_API_V4_URL", "https://gitlab.com/api/v4"),
        os.environ.get("GITLAB_TOKEN", ""),
    )
    headers = {"private-token": token} if token else None
    project = f"{api}/projects/{urllib.parse.quote(repository, safe='')}"
    url = f"{project}/merge_requests/{number}"
    approvals = _one(_get(f"{url}/approvals", headers))
    accounts = frozenset(
        str(by["user"]["username"]).lower() for by in approvals.get("approved_by", [])
    )
    request = _one(_get(url, headers))
    names = [
        str(item.get("new_path", "")) for item in _list(_get(f"{url}/diffs?per_page=100", headers))
    ]
    raw = f"{project}/repository/files/{{}}/raw?ref={request.get('sha', '')}"
    paths = [raw.format(urllib.parse.quote(name, safe="")) for name in names if _is_ours(name)]
    return Approval(
        accounts,
        request.get("state") == "merged",
        _text(_get(paths[0], headers) if paths else None),
    )


def _is_ours(name: str) -> bool:
    """FILE at the root of the repository, or of a project in a folder of it."""
    return name == FILE or name.endswith(f"/{FILE}")


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def _get(url: str, headers: dict[str, str] | None) -> bytes:
    if headers is None:
        raise _UnconfirmedError("only declared: set GITHUB_TOKEN or GITLAB_TOKEN to confirm it")
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise _UnconfirmedError(f"{url} is not an https address")
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
        with open_address(request, 10) as response:
            content: bytes = response.read()
    except (OSError, ValueError, HTTPException) as error:
        raise _UnconfirmedError(f"the git host does not respond to {url}: {error}") from error
    return content


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise _UnconfirmedError(f"the git host does not respond with JSON: {error}") from error


def _list(content: bytes) -> list[dict[str, Any]]:
    result = _json(content)
    return [item for item in result if isinstance(item, dict)] if isinstance(result, list) else []


def _one(content: bytes) -> dict[str, Any]:
    result = _json(content)
    return result if isinstance(result, dict) else {}
