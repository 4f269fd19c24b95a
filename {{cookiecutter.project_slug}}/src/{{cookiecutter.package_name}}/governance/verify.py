"""Ask the git host whether the people who are said to have accepted did so with their own account."""

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any

from .ownership import Acceptance, Ownership, Person

PULL = re.compile(r"https://[^/]+/(?P<repository>[^/]+/[^/]+)/pull/(?P<number>\d+)/?")
JUDGEMENTS = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")  # a remark after an approval takes nothing back
MERGE = re.compile(r"https://[^/]+/(?P<repository>.+?)/-/merge_requests/(?P<number>\d+)/?")


def verify(ownership: Ownership) -> list[str]:
    """What the git host does not confirm; nothing when it confirms every acceptance.

    GitHub is asked with GITHUB_TOKEN (at GITHUB_API_URL), GitLab with GITLAB_TOKEN (at CI_API_V4_URL).
    """
    said = []
    for outcome in ownership.outcomes:
        found = [a for a in ownership.accepted if (a.outcome, a.person) == (outcome.id, outcome.accountable)]
        key = f"governance/ownership.yaml: accepted: {outcome.id}"
        if not found:
            said.append(f"{key}: {outcome.accountable} has not accepted")
            continue
        last, person = max(found, key=lambda acceptance: acceptance.date), ownership.person(outcome.accountable)
        if person is None or not person.handle:
            said.append(f"{key}: people: {outcome.accountable}: handle: the account's name on the git host is needed")
        elif wrong := _unconfirmed(last, person):
            said.append(f"{key}: {wrong}")
    return said


def _unconfirmed(acceptance: Acceptance, person: Person) -> str:
    """Why the git host does not confirm; empty when it does."""
    own = os.environ.get("GITHUB_REPOSITORY") or os.environ.get("CI_PROJECT_PATH")
    found = PULL.fullmatch(acceptance.evidence) or MERGE.fullmatch(acceptance.evidence)
    if found and own and found["repository"].lower() != own.lower():
        return f"evidence: {acceptance.evidence} is of another repository than {own}"
    if found := PULL.fullmatch(acceptance.evidence):
        api, token = os.environ.get("GITHUB_API_URL", "https://api.github.com"), os.environ.get("GITHUB_TOKEN", "")
        url = f"{api}/repos/{found['repository']}/pulls/{found['number']}/reviews?per_page=100"
        reviews, wrong = _ask(url, {"authorization": f"Bearer {token}"} if token else None)
        judged = [each for each in reviews if each.get("user") and each.get("state") in JUDGEMENTS]
        states = {each["user"]["login"].lower(): each["state"] for each in judged}  # the last of each counts
        approved = {login for login, state in states.items() if state == "APPROVED"}
    elif found := MERGE.fullmatch(acceptance.evidence):
        api, token = os.environ.get("CI_API_V4_URL", "https://gitlab.com/api/v4"), os.environ.get("GITLAB_TOKEN", "")
        project = urllib.parse.quote(found["repository"], safe="")
        url = f"{api}/projects/{project}/merge_requests/{found['number']}/approvals"
        answer, wrong = _ask(url, {"private-token": token} if token else None)
        approved = {by["user"]["username"].lower() for each in answer for by in each.get("approved_by", [])}
    else:
        return f"evidence: {acceptance.evidence!r} is no address of a pull or merge request"
    if wrong:
        return wrong
    return "" if person.handle.lower() in approved else f"{person.handle} has not approved {acceptance.evidence}"


def _ask(url: str, headers: dict[str, str] | None) -> tuple[list[Any], str]:
    """The host's answer as a list, or why there is none."""
    if headers is None:
        return [], "declared only: set GITHUB_TOKEN or GITLAB_TOKEN to have it confirmed"
    if not url.startswith(("https://", "http://127.0.0.1:")):
        return [], f"{url} is no https address"
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            found = json.load(response)
    except (OSError, ValueError, HTTPException) as error:
        return [], f"the git host does not answer {url}: {error}"
    answers = found if isinstance(found, list) else [found]
    return [each for each in answers if isinstance(each, dict)], ""
