"""Identity of the CI run of a command, proven by an OpenID Connect token of the git host.

Variables prove nothing, because anybody can set CI=true. The issuer signs a token, which names
repository, branch, run and account, and is valid for minutes. `ci` in governance/ownership.yaml
names the trusted issuer.

Sources: docs.github.com, "OpenID Connect reference"; docs.gitlab.com, "ID token authentication".
"""

import functools
import json
import os
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from ..display.plain_text import display
from ..loopback import open_address
from .ownership import Ci

# A token for another purpose is refused.
AUDIENCE = "ml-evidence"
# GitHub, GitLab, Jenkins
RUN_VARIABLES = ("GITHUB_RUN_ID", "CI_JOB_ID", "BUILD_ID")
TIMEOUT = 10  # seconds
EXAMPLE = """ci:
  issuer: https://token.actions.githubusercontent.com
  repository: example-org/fraud-scoring"""


class IdentityError(Exception):
    """A required token is missing, or proves something else; the message has the reason."""


@dataclass(frozen=True)
class CiRun:
    """A run of the CI, with the account that started it. `proof` is that of the trusted CI."""

    account: str
    run: str
    proof: str


def claimed_run() -> str:
    """The run that the variables name, or empty. Anybody can set the variables."""
    return next((os.environ[name] for name in RUN_VARIABLES if os.environ.get(name)), "")


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true") or bool(claimed_run())


def proven_run(ci: Ci | None) -> CiRun:
    """The run that this process is part of. Raises IdentityError if nothing proves it."""
    if ci is None:
        raise IdentityError(f"governance/ownership.yaml trusts no CI. What works:\n{EXAMPLE}")
    return _verified(_token(), ci)


def _token() -> str:
    url, bearer = (
        os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}", "") for name in ("URL", "TOKEN")
    )
    if url and bearer:
        response = _get(
            f"{url}{'&' if '?' in url else '?'}audience={AUDIENCE}",
            {"authorization": f"Bearer {bearer}"},
        )
        return str(response.get("value", ""))
    if token := os.environ.get("ML_ID_TOKEN", ""):
        return token
    raise IdentityError(
        "no token proves which run of the CI this is. GitHub: permissions: {id-token: write}. "
        f"GitLab: id_tokens: {{ML_ID_TOKEN: {{aud: {AUDIENCE}}}}}. Elsewhere: ML_ID_TOKEN with the "
        f"audience {AUDIENCE}"
    )


@functools.lru_cache(maxsize=4)
def _verified(token: str, ci: Ci) -> CiRun:
    # It imports cryptography, which few commands need.
    import jwt

    try:
        discovered = _get(f"{ci.issuer}/.well-known/openid-configuration", {})
        keys = jwt.PyJWKClient(_require_https(str(discovered.get("jwks_uri", ""))), timeout=TIMEOUT)
        claims: dict[str, Any] = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token).key,
            algorithms=["RS256", "ES256"],
            audience=AUDIENCE,
            issuer=ci.issuer,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise IdentityError(
            f"the token of this run of the CI is not valid: {display(str(error))}"
        ) from error
    repository = str(claims.get("repository") or claims.get("project_path") or "")
    if repository.lower() != ci.repository.lower():
        raise IdentityError(
            f"the token is for the repository {display(repository)!r}, not for {ci.repository}"
        )
    ref = str(claims.get("ref", ""))
    if ref.removeprefix("refs/heads/") != ci.branch or claims.get("ref_type", "branch") != "branch":
        raise IdentityError(
            f"the token is for {display(ref)!r}, not for the branch {ci.branch}: only reviewed "
            f"commits count"
        )
    account = str(
        claims.get("actor") or claims.get("user_login") or claims.get("email") or claims["sub"]
    )
    run = str(claims.get("run_id") or claims.get("job_id") or claims.get("jti") or "")
    return CiRun(account, run, ci.proof)


def _get(url: str, headers: dict[str, str]) -> dict[str, Any]:
    """Read the JSON object at an address.

    An error message leaves out the query, which may contain a secret.
    """
    where = url.partition("?")[0]
    try:
        request = urllib.request.Request(_require_https(url), headers=headers)  # noqa: S310 - above
        with open_address(request, TIMEOUT) as response:
            result = json.load(response)
    except (OSError, ValueError, HTTPException) as error:
        raise IdentityError(f"{where} does not respond: {error}") from error
    if not isinstance(result, dict):
        raise IdentityError(f"{where} returned something other than a JSON object")
    return result


def _require_https(url: str) -> str:
    if not url.startswith(("https://", "http://127.0.0.1:")):
        where = url.partition("?")[0]
        raise IdentityError(
            f"{where!r} is not an https address, so anybody on the network path could impersonate "
            f"it"
        )
    return url
