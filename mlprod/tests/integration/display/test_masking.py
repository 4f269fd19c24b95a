"""No secret is printed: a canary passes through every setting and through common errors."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest
from fixture_project import main

from mlprod.display.masking import Masked, masked
from mlprod.serving.api_keys import ApiKeys, KeysError
from mlprod.serving.logs import JsonFormatter
from mlprod.settings import Settings, describe_unusable_settings
from mlprod.training.evidence_store import finding

CANARY = "c4n4ryW0rd"
NAMED = (
    "state_dir",
    "governance_dir",
    "model_name",
    "model_dir",
    "host",
    "admin_host",
    "keys_file",
    "mode_file",
    "event_log_dir",
)  # in messages
PASSWORDS = [
    CANARY,
    f"a@{CANARY}",
    f"{CANARY}@a",
    f"a/{CANARY}",
    f"{CANARY}/a",
    f"a#{CANARY}",
    f"a?{CANARY}",
    f"a:{CANARY}",
    f"a%40{CANARY}",
    f"a%2F{CANARY}%23",
    f"'{CANARY}",
]
DATABASES = [
    "postgresql://svc:{}@127.0.0.1:1/records",
    "postgresql://svc:{}@127.0.0.1:54x/records",
    "postgresql+psycopg2://svc:{}@127.0.0.1:1/records",
    "postgresql://127.0.0.1:1/records?user=svc&password={}",
    "mysql://svc:{}@127.0.0.1:1/records",
]
SERVERS = [
    "http://svc:{}@127.0.0.1:1",
    "http://svc:{}@127.0.0.1:54x",
    "http://svc:{}@[::1",
    "https://svc:{}@[::1]:1",
]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the output of a command."""
    before, sys.argv = sys.argv, ["a command", *arguments]
    try:
        main(arguments)
    except SystemExit as end:
        print(end)
    finally:
        sys.argv = before
    shown = capsys.readouterr()
    return shown.out + shown.err


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in NAMED])
def test_no_value_of_a_setting_is_shown(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"ML_{name.upper()}", f"{'9' * 60}{CANARY}")
    shown = printed(capsys, "list-versions" if name == "tracking_uri" else "set-mode")
    assert CANARY not in shown
    assert f"ML_{name.upper()}: " in shown, "the variable is named"


@pytest.mark.parametrize("address", DATABASES)
@pytest.mark.parametrize("password", PASSWORDS)
def test_no_password_of_a_database_is_shown(
    address: str, password: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_DATABASE_URL", address.format(password))
    shown = printed(capsys, "set-mode")
    assert CANARY not in shown
    assert "ML_DATABASE_URL: " in shown or "StoreUnavailableError" in shown


@pytest.mark.parametrize("address", SERVERS)
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("variable", ["ML_TRACKING_URI", "MLFLOW_TRACKING_URI"])
def test_no_password_of_a_registry_is_shown(
    address: str,
    password: str,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, address.format(password))
    shown = printed(capsys, "list-versions")
    assert CANARY not in shown
    assert "does not respond" in shown


@pytest.mark.parametrize("address", SERVERS)
@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "parts",
    [
        ["alert-drill"],
        ["check-alerts"],
        ["retrain", "--days"],
        ["score", "--since"],
        ["drift", "--hours"],
    ],
)
def test_no_password_of_the_command_line_is_shown(
    address: str, password: str, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    option = [] if len(parts) > 1 else ["--url"]
    assert CANARY not in printed(capsys, *parts, *option, address.format(password))


@pytest.mark.parametrize(
    "content",
    [
        {"salt": CANARY, "keys": []},
        {"salt": "a" * 16, "keys": [{"name": "a", "roles": ["predict"], "sha256": CANARY}]},
        {"salt": "a" * 16, "keys": CANARY},
        [CANARY],
        CANARY,
    ],
)
def test_nothing_of_a_file_of_keys_is_shown(
    content: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "keys.json"
    monkeypatch.setenv("ML_KEYS_FILE", str(file))
    for text in (json.dumps(content), json.dumps(content)[:-1], CANARY + "["):
        file.write_text(text)
        shown = printed(capsys, "create-key", "--name", "a", "--role", "predict")
        with pytest.raises(KeysError) as caught:
            ApiKeys(file)
        assert f"KeysError: {file}" in shown
        assert CANARY not in shown + str(caught.value)


@pytest.mark.parametrize(
    "variable", ["PGPASSWORD", "MLFLOW_TRACKING_TOKEN", "ML_SERVICE_KEY", "AWS_SECRET_ACCESS_KEY"]
)
def test_the_value_of_a_secret_variable_is_masked_everywhere(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f'{CANARY}/"x')
    texts = [
        f'refused: {CANARY}/"x',
        json.dumps({"detail": f'{CANARY}/"x'}),
        f"?token={CANARY}%2F%22x&x=1",
    ]
    assert [masked(text) for text in texts] == [
        "refused: ***",
        '{"detail": "***"}',
        "?token=***&x=1",
    ]
    record = logging.makeLogRecord(
        {"levelname": "INFO", "msg": texts[0], "facts": {"detail": texts[0]}}
    )
    assert json.loads(JsonFormatter(plain=False).format(record)) | {"at": ""} == {
        "at": "",
        "level": "info",
        "event": "refused: ***",
        "detail": "refused: ***",
    }
    assert finding("sbom", True, {}, texts[0]).value == "refused: ***"
    stream = io.StringIO()
    print(texts[0], file=Masked(stream))
    assert stream.getvalue() == "refused: ***\n"


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/v1/model answered 503",
        "postgresql://ml@host/records",
        "registry.example.org/team/name@sha256:0 names a digest",
        "you@example.org approved https://git.example.org/team/repo/pull/1",
        "the key checkout of keys.json: sort key=3, bypass = 2",
        "s3://bucket/scores",
    ],
)
def test_text_without_a_secret_does_not_change(text: str) -> None:
    assert masked(text) == text


def test_a_setting_that_cannot_be_used_is_named_with_what_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ML_PORT", "web")
    monkeypatch.setenv("ML_DATABASE_URL", "postgresql://ml@db:54x/records")
    with pytest.raises(ValueError, match="Settings") as caught:
        Settings()
    shown = describe_unusable_settings(caught.value)
    assert "ML_PORT: Input should be a valid integer" in shown
    assert (
        "ML_DATABASE_URL: its form is not valid (database of the records: postgresql://user@host/"
        in shown
    )
