import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from filled import Filled, filled

from mlprod.governance.git_host import unconfirmed_acceptances

__all__ = ["filled"]
VARIABLES = (
    "GITHUB_TOKEN",
    "GITHUB_REPOSITORY",
    "GITHUB_API_URL",
    "GITLAB_TOKEN",
    "CI_PROJECT_PATH",
    "CI_API_V4_URL",
)
PULL = "https://git.example.org/org/parcels/pull/7"
MERGE = "https://git.example.org/group/sub/parcels/-/merge_requests/7"
HEAD = "a1" * 20
GITHUB = "/repos/org/parcels/pulls/7"
GITLAB = "/projects/group%2Fsub%2Fparcels/merge_requests/7"
EVERYBODY = ("ada", "flo", "bea", "cy", "dee")


class Host(ThreadingHTTPServer):
    """A fake git host: it serves the set responses and stores the requests."""

    answers: dict[str, Any]
    requests: list[tuple[str, dict[str, str]]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.requests.append(
            (self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        result = self.server.answers.get(self.path.partition("?")[0])
        body = result if isinstance(result, bytes) else json.dumps(result).encode()
        self.send_response(404 if result is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with Host(("127.0.0.1", 0), Answer) as server:
        server.answers, server.requests = {}, []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def reviews(*given: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"user": {"login": login}, "state": state, "commit_id": HEAD} for login, state in given]


@pytest.fixture
def github(host: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host where everybody approved pull request 7."""
    variables = {
        "GITHUB_API_URL": host.url,
        "GITHUB_TOKEN": "t",
        "GITHUB_REPOSITORY": "org/parcels",
    }
    return accepted_at(host, filled, PULL, monkeypatch, **variables)


@pytest.fixture
def gitlab(host: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Host:
    variables = {
        "CI_API_V4_URL": host.url,
        "GITLAB_TOKEN": "t",
        "CI_PROJECT_PATH": "group/sub/parcels",
    }
    return accepted_at(host, filled, MERGE, monkeypatch, **variables)


def accepted_at(
    host: Host, filled: Filled, address: str, monkeypatch: pytest.MonkeyPatch, **variables: str
) -> Host:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    path = filled.folder / "ownership.yaml"
    path.write_text(path.read_text().replace("evidence: p/1", f'evidence: "{address}"'))
    host.answers["/repos/org/parcels/pulls/7/reviews"] = reviews(
        *((login, "APPROVED") for login in EVERYBODY)
    )
    host.answers[GITHUB] = {"merged": True, "head": {"sha": HEAD}}
    host.answers[f"{GITHUB}/files"] = [
        {"filename": "README.md"},
        {"filename": "governance/ownership.yaml"},
    ]
    host.answers["/repos/org/parcels/contents/governance/ownership.yaml"] = path.read_bytes()
    approved = [{"user": {"username": name}} for name in EVERYBODY]
    host.answers[f"{GITLAB}/approvals"] = {"approved_by": approved}
    host.answers[GITLAB] = {"state": "merged", "sha": HEAD}
    host.answers[f"{GITLAB}/diffs"] = [{"new_path": "governance/ownership.yaml"}]
    raw = "/projects/group%2Fsub%2Fparcels/repository/files/governance%2Fownership.yaml/raw"
    host.answers[raw] = path.read_bytes()
    return host


def of_cy(filled: Filled) -> str:
    """The only message, about the person accountable for the data."""
    (message,) = unconfirmed_acceptances(filled.org.ownership)
    assert message.startswith("governance/ownership.yaml: accepted: data_quality: ")
    return message


def test_github_confirms_the_acceptances(github: Host, filled: Filled) -> None:
    assert unconfirmed_acceptances(filled.org.ownership) == []
    path, headers = github.requests[0]
    assert path == "/repos/org/parcels/pulls/7/reviews?per_page=100"
    assert headers["authorization"] == "Bearer t"


def test_gitlab_confirms_the_acceptances(gitlab: Host, filled: Filled) -> None:
    assert unconfirmed_acceptances(filled.org.ownership) == []
    path, headers = gitlab.requests[0]
    assert path == "/projects/group%2Fsub%2Fparcels/merge_requests/7/approvals"
    assert headers["private-token"] == "t"


@pytest.mark.parametrize(
    ("message", "confirmed"),
    [
        ([("cy", "APPROVED")], True),
        ([("CY", "APPROVED")], True),
        ([("cy", "CHANGES_REQUESTED"), ("cy", "APPROVED")], True),
        ([("cy", "APPROVED"), ("cy", "COMMENTED")], True),
        ([], False),
        ([("cy", "COMMENTED")], False),
        ([("cy", "PENDING")], False),
        ([("cy", "DISMISSED")], False),
        ([("cy", "APPROVED"), ("cy", "DISMISSED")], False),
        ([("cy", "APPROVED"), ("cy", "CHANGES_REQUESTED")], False),
        ([("cyrus", "APPROVED"), ("eve", "APPROVED")], False),
    ],
)
def test_last_review_of_the_account_counts(
    github: Host, filled: Filled, message: list[tuple[str, str]], confirmed: bool
) -> None:
    others = [(login, "APPROVED") for login in EVERYBODY if login != "cy"]
    github.answers["/repos/org/parcels/pulls/7/reviews"] = [
        *reviews(*others, *message),
        {"user": None, "state": "APPROVED", "commit_id": HEAD},
    ]
    if confirmed:
        assert unconfirmed_acceptances(filled.org.ownership) == []
    else:
        assert f"cy has not approved {PULL}" in of_cy(filled)


def test_approval_of_an_older_commit_does_not_count(github: Host, filled: Filled) -> None:
    for review in github.answers[f"{GITHUB}/reviews"]:
        if review["user"]["login"] == "cy":
            review["commit_id"] = "b2" * 20
    assert f"cy has not approved {PULL}, or not its last commit" in of_cy(filled)


def test_request_that_is_not_merged_does_not_count(github: Host, filled: Filled) -> None:
    github.answers[GITHUB]["merged"] = False
    assert all(
        message.endswith(f"{PULL} is not merged")
        for message in unconfirmed_acceptances(filled.org.ownership)
    )


def test_request_that_did_not_change_the_file_does_not_count(github: Host, filled: Filled) -> None:
    github.answers[f"{GITHUB}/files"] = [{"filename": "README.md"}]
    result = unconfirmed_acceptances(filled.org.ownership)
    assert len(result) == 7
    assert all(
        "did not change governance/ownership.yaml, so it was about something else" in message
        for message in result
    )


def test_approved_file_must_name_the_person_for_the_outcome(github: Host, filled: Filled) -> None:
    path = "/repos/org/parcels/contents/governance/ownership.yaml"
    reference = github.answers[path].decode()
    github.answers[path] = reference.replace(
        "id: data_quality, accountable: data_owner", "id: data_quality, accountable: author"
    ).encode()
    assert github.answers[path] != reference.encode()
    assert f"as approved in {PULL}, does not name cy for data_quality" in of_cy(filled)
    github.answers[path] = b"outcomes: ["
    assert len(unconfirmed_acceptances(filled.org.ownership)) == 7


def test_merge_request_must_be_merged_and_change_the_file(gitlab: Host, filled: Filled) -> None:
    gitlab.answers[GITLAB]["state"] = "opened"
    assert all(
        "is not merged" in message for message in unconfirmed_acceptances(filled.org.ownership)
    )
    gitlab.answers[GITLAB]["state"] = "merged"
    gitlab.answers[f"{GITLAB}/diffs"] = []
    assert all("did not change" in text for text in unconfirmed_acceptances(filled.org.ownership))


def test_acceptance_of_a_project_in_a_folder_is_confirmed(github: Host, filled: Filled) -> None:
    name = "ml/parcels/governance/ownership.yaml"
    github.answers[f"{GITHUB}/files"] = [{"filename": name}]
    old = github.answers.pop("/repos/org/parcels/contents/governance/ownership.yaml")
    github.answers[f"/repos/org/parcels/contents/{name}"] = old
    assert unconfirmed_acceptances(filled.org.ownership) == []


def test_revoked_approval_of_gitlab_does_not_count(gitlab: Host, filled: Filled) -> None:
    approvals = gitlab.answers["/projects/group%2Fsub%2Fparcels/merge_requests/7/approvals"]
    approvals["approved_by"] = [
        item for item in approvals["approved_by"] if item["user"]["username"] != "cy"
    ]
    assert f"cy has not approved {MERGE}" in of_cy(filled)


@pytest.mark.parametrize(
    "address",
    ["https://git.example.org/eve/parcels/pull/7", "https://git.example.org/org/parcels2/pull/7"],
)
def test_request_of_another_repository_is_not_queried(
    github: Host, filled: Filled, address: str
) -> None:
    date = "data_quality, date: 2026-05-04, review_by: 2026-07-31"
    filled.change("ownership.yaml", f'{date}, evidence: "{PULL}"', f'{date}, evidence: "{address}"')
    assert "is of another repository than org/parcels" in of_cy(filled)
    assert not any("eve" in path or "parcels2" in path for path, _ in github.requests)


@pytest.mark.parametrize(
    "evidence",
    [
        "",
        "we talked",
        "https://git.example.org/org/parcels/commit/abc",
        "http://git.example.org/org/parcels/pull/7",
    ],
)
def test_evidence_must_be_the_address_of_a_request(
    github: Host, filled: Filled, evidence: str
) -> None:
    date = "data_quality, date: 2026-05-04, review_by: 2026-07-31"
    filled.change(
        "ownership.yaml", f'{date}, evidence: "{PULL}"', f'{date}, evidence: "{evidence}"'
    )
    assert "is not the address of a pull or merge request" in of_cy(filled)


def test_acceptance_is_only_declared_without_a_token(
    github: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    result = unconfirmed_acceptances(filled.org.ownership)
    assert len(result) == 7
    assert all("only declared: set GITHUB_TOKEN or GITLAB_TOKEN" in message for message in result)
    assert github.requests == []


def test_missing_acceptance_and_missing_account_are_reported(github: Host, filled: Filled) -> None:
    filled.change("ownership.yaml", "handle: cy, ", "")
    assert "people: data_owner: handle: " in of_cy(filled)
    filled.change("ownership.yaml", "person: data_owner, outcome", "person: author, outcome")
    assert "data_owner has not accepted" in of_cy(filled)


@pytest.mark.parametrize(
    "answer",
    [None, b"<html>", b"{", b"", b'{"message": "Bad credentials"}', b"[null]", b"[1]", b"null"],
)
def test_invalid_response_confirms_nothing(
    github: Host, filled: Filled, answer: bytes | None
) -> None:
    github.answers["/repos/org/parcels/pulls/7/reviews"] = answer
    assert len(unconfirmed_acceptances(filled.org.ownership)) == 7


@pytest.mark.parametrize(
    "greeting", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[]"]
)
def test_broken_or_silent_host_confirms_nothing(
    github: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch, greeting: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broken:
        monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{broken.getsockname()[1]}")

        def answer() -> None:
            for _ in range(7):
                connection, _ = broken.accept()
                connection.recv(10_000)
                connection.sendall(greeting)
                connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        result = unconfirmed_acceptances(filled.org.ownership)
        thread.join(5)
    assert len(result) == 7
    assert all("the git host does not respond" in text for text in result)
    assert all(
        "the git host does not respond" in message
        for message in unconfirmed_acceptances(filled.org.ownership)
    ), "nobody listens now"


@pytest.mark.parametrize(
    "url", ["http://git.example.org/api", "file:///etc/passwd", "http://127.0.0.2:80"]
)
def test_token_is_sent_over_https_only(
    github: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", url)
    assert all(
        "is not an https address" in message
        for message in unconfirmed_acceptances(filled.org.ownership)
    )
