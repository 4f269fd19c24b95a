from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from issuer import Issuer, issuer

from mlprod.governance.ci_identity import IdentityError, in_ci, proven_run
from mlprod.governance.ownership import Ci

VARIABLES = ("CI", "GITHUB_RUN_ID", "CI_JOB_ID", "BUILD_ID", "ML_ID_TOKEN")
REQUEST = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *REQUEST):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def host() -> Iterator[Issuer]:
    with issuer() as server:
        yield server


def trusted(host: Issuer, **facts: str) -> Ci:
    return Ci.model_validate({"issuer": host.url, "repository": "org/parcels"} | facts)


def test_github_job_proves_its_identity_with_a_requested_token(
    host: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REQUEST[0], f"{host.url}/token?job=1")
    monkeypatch.setenv(REQUEST[1], host.bearer)
    run = proven_run(trusted(host))
    assert (run.account, run.run) == ("ada", "4711")
    assert run.proof == f"{host.url} org/parcels@main"


def test_gitlab_job_proves_its_identity_with_a_given_token(
    host: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = {
        "repository": None,
        "actor": None,
        "run_id": None,
        "ref": "main",
        "project_path": "group/sub/parcels",
    }
    monkeypatch.setenv("ML_ID_TOKEN", host.token(**claims, user_login="bea", job_id="18"))
    run = proven_run(trusted(host, repository="group/sub/parcels"))
    assert (run.account, run.run) == ("bea", "18")


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"repository": "org/other"}, "for the repository 'org/other', not for org/parcels"),
        ({"ref": "refs/heads/mine"}, "not for the branch main: only reviewed"),
        ({"ref": "refs/pull/7/merge"}, "for 'refs/pull/7/merge', not for the branch main"),
        ({"ref": "main", "ref_type": "tag"}, "not for the branch main"),
        ({"aud": "sigstore"}, "is not valid: Audience"),
        ({"iss": "https://evil.example"}, "is not valid: Invalid issuer"),
        ({"exp": 1}, "is not valid: Signature has expired"),
        ({"sub": None}, "is not valid: .*sub"),
        ({"key": OTHER_KEY}, "is not valid: Signature verification failed"),
    ],
)
def test_token_that_proves_something_else_is_refused(
    host: Issuer, monkeypatch: pytest.MonkeyPatch, claims: dict[str, object], says: str
) -> None:
    monkeypatch.setenv("ML_ID_TOKEN", host.token(**claims))
    with pytest.raises(IdentityError, match=says):
        proven_run(trusted(host))


@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.e30."])
def test_text_that_is_not_a_token_is_refused(
    host: Issuer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("ML_ID_TOKEN", token)
    with pytest.raises(IdentityError, match="is not valid"):
        proven_run(trusted(host))


def test_variables_alone_prove_nothing(host: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_ci()
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_RUN_ID", "4711")
    assert in_ci()
    with pytest.raises(
        IdentityError, match=r"GitHub: permissions: \{id-token: write\}. GitLab: id_tokens"
    ):
        proven_run(trusted(host))
    with pytest.raises(
        IdentityError, match=r"governance/ownership\.yaml trusts no CI\. What works:\nci:\n  issuer"
    ):
        proven_run(None)


def test_issuer_that_does_not_respond_is_named_without_the_query(
    host: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REQUEST[0], f"{host.url}/token?job=1")
    monkeypatch.setenv(REQUEST[1], "of another job")
    with pytest.raises(IdentityError, match=rf"{host.url}/token does not respond: HTTP Error 403"):
        proven_run(trusted(host))
    monkeypatch.setenv(REQUEST[0], "http://example.org/token?job=1")
    with pytest.raises(IdentityError, match="is not an https address"):
        proven_run(trusted(host))
