import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from filled import Filled, filled

from mlprod.governance.git_host import verify

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
    """Plays a git host: answers what a route is set to, and remembers what was asked."""

    answers: dict[str, Any]
    asked: list[tuple[str, dict[str, str]]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.asked.append(
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
        server.answers, server.asked = {}, []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def reviews(*said: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"user": {"login": login}, "state": state, "commit_id": HEAD} for login, state in said]


@pytest.fixture
def github(host: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Everybody accepted in pull request 7, and approved it there."""
    variables = {
        "GITHUB_API_URL": host.url,
        "GITHUB_TOKEN": "t",
        "GITHUB_REPOSITORY": "org/parcels",
    }
    return asked_at(host, filled, PULL, monkeypatch, **variables)


@pytest.fixture
def gitlab(host: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Host:
    variables = {
        "CI_API_V4_URL": host.url,
        "GITLAB_TOKEN": "t",
        "CI_PROJECT_PATH": "group/sub/parcels",
    }
    return asked_at(host, filled, MERGE, monkeypatch, **variables)


def asked_at(
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
    """What is said of the one who answers for the data, when nothing else is."""
    (message,) = verify(filled.org.ownership)
    assert message.startswith("governance/ownership.yaml: accepted: data_quality: ")
    return message


def test_github_confirms(github: Host, filled: Filled) -> None:
    assert verify(filled.org.ownership) == []
    path, headers = github.asked[0]
    assert path == "/repos/org/parcels/pulls/7/reviews?per_page=100"
    assert headers["authorization"] == "Bearer t"


def test_gitlab_confirms(gitlab: Host, filled: Filled) -> None:
    assert verify(filled.org.ownership) == []
    path, headers = gitlab.asked[0]
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
def test_the_last_judgement_of_that_account_counts(
    github: Host, filled: Filled, message: list[tuple[str, str]], confirmed: bool
) -> None:
    others = [(login, "APPROVED") for login in EVERYBODY if login != "cy"]
    github.answers["/repos/org/parcels/pulls/7/reviews"] = [
        *reviews(*others, *message),
        {"user": None, "state": "APPROVED", "commit_id": HEAD},
    ]
    if confirmed:
        assert verify(filled.org.ownership) == []
    else:
        assert f"cy has not approved {PULL}" in of_cy(filled)


def test_an_approval_of_an_older_commit_is_none_of_what_was_merged(
    github: Host, filled: Filled
) -> None:
    for review in github.answers[f"{GITHUB}/reviews"]:
        if review["user"]["login"] == "cy":
            review["commit_id"] = "b2" * 20
    assert f"cy has not approved {PULL}, or not its last commit" in of_cy(filled)


def test_a_request_that_is_not_merged_confirms_nothing(github: Host, filled: Filled) -> None:
    github.answers[GITHUB]["merged"] = False
    assert all(
        message.endswith(f"{PULL} is not merged") for message in verify(filled.org.ownership)
    )


def test_a_request_about_something_else_confirms_nothing(github: Host, filled: Filled) -> None:
    github.answers[f"{GITHUB}/files"] = [{"filename": "README.md"}]
    result = verify(filled.org.ownership)
    assert len(result) == 7
    assert all(
        "did not change governance/ownership.yaml: it was about something else" in message
        for message in result
    )


def test_who_was_named_in_another_place_then_has_not_accepted_this_one(
    github: Host, filled: Filled
) -> None:
    path = "/repos/org/parcels/contents/governance/ownership.yaml"
    reference = github.answers[path].decode()
    github.answers[path] = reference.replace(
        "id: data_quality, accountable: data_owner", "id: data_quality, accountable: author"
    ).encode()
    assert github.answers[path] != reference.encode()
    assert f"as approved in {PULL}, does not name cy for data_quality" in of_cy(filled)
    github.answers[path] = b"outcomes: ["
    assert len(verify(filled.org.ownership)) == 7


def test_a_merge_request_is_held_to_the_same(gitlab: Host, filled: Filled) -> None:
    gitlab.answers[GITLAB]["state"] = "opened"
    assert all("is not merged" in message for message in verify(filled.org.ownership))
    gitlab.answers[GITLAB]["state"] = "merged"
    gitlab.answers[f"{GITLAB}/diffs"] = []
    assert all("did not change" in text for text in verify(filled.org.ownership))


def test_a_project_in_a_folder_of_a_repository_is_confirmed_too(
    github: Host, filled: Filled
) -> None:
    name = "ml/parcels/governance/ownership.yaml"
    github.answers[f"{GITHUB}/files"] = [{"filename": name}]
    old = github.answers.pop("/repos/org/parcels/contents/governance/ownership.yaml")
    github.answers[f"/repos/org/parcels/contents/{name}"] = old
    assert verify(filled.org.ownership) == []


def test_an_approval_that_was_taken_back_at_gitlab_does_not_count(
    gitlab: Host, filled: Filled
) -> None:
    approvals = gitlab.answers["/projects/group%2Fsub%2Fparcels/merge_requests/7/approvals"]
    approvals["approved_by"] = [
        item for item in approvals["approved_by"] if item["user"]["username"] != "cy"
    ]
    assert f"cy has not approved {MERGE}" in of_cy(filled)


@pytest.mark.parametrize(
    "address",
    ["https://git.example.org/eve/parcels/pull/7", "https://git.example.org/org/parcels2/pull/7"],
)
def test_what_was_approved_elsewhere_is_not_even_asked(
    github: Host, filled: Filled, address: str
) -> None:
    date = "data_quality, date: 2026-05-04, review_by: 2026-07-31"
    filled.change("ownership.yaml", f'{date}, evidence: "{PULL}"', f'{date}, evidence: "{address}"')
    assert "is of another repository than org/parcels" in of_cy(filled)
    assert not any("eve" in path or "parcels2" in path for path, _ in github.asked)


@pytest.mark.parametrize(
    "evidence",
    [
        "",
        "we talked",
        "https://git.example.org/org/parcels/commit/abc",
        "http://git.example.org/org/parcels/pull/7",
    ],
)
def test_what_is_no_merge_request_cannot_be_asked(
    github: Host, filled: Filled, evidence: str
) -> None:
    date = "data_quality, date: 2026-05-04, review_by: 2026-07-31"
    filled.change(
        "ownership.yaml", f'{date}, evidence: "{PULL}"', f'{date}, evidence: "{evidence}"'
    )
    assert "is no address of a pull or merge request" in of_cy(filled)


def test_without_a_token_it_is_declared_only(
    github: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    result = verify(filled.org.ownership)
    assert len(result) == 7
    assert all("declared only: set GITHUB_TOKEN or GITLAB_TOKEN" in message for message in result)
    assert github.asked == []


def test_who_has_not_accepted_is_named_and_who_has_no_account(github: Host, filled: Filled) -> None:
    filled.change("ownership.yaml", "handle: cy, ", "")
    assert "people: data_owner: handle: " in of_cy(filled)
    filled.change("ownership.yaml", "person: data_owner, outcome", "person: author, outcome")
    assert "data_owner has not accepted" in of_cy(filled)


@pytest.mark.parametrize(
    "answer",
    [None, b"<html>", b"{", b"", b'{"message": "Bad credentials"}', b"[null]", b"[1]", b"null"],
)
def test_an_answer_that_is_none_confirms_nothing(
    github: Host, filled: Filled, answer: bytes | None
) -> None:
    github.answers["/repos/org/parcels/pulls/7/reviews"] = answer
    assert len(verify(filled.org.ownership)) == 7


@pytest.mark.parametrize(
    "greeting", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[]"]
)
def test_a_host_that_is_down_or_breaks_off_confirms_nothing(
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
        result = verify(filled.org.ownership)
        thread.join(5)
    assert len(result) == 7
    assert all("the git host does not answer" in text for text in result)
    assert all(
        "the git host does not answer" in message for message in verify(filled.org.ownership)
    ), "nobody listens now"


@pytest.mark.parametrize(
    "url", ["http://git.example.org/api", "file:///etc/passwd", "http://127.0.0.2:80"]
)
def test_a_token_travels_by_https_only(
    github: Host, filled: Filled, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", url)
    assert all("is no https address" in message for message in verify(filled.org.ownership))
