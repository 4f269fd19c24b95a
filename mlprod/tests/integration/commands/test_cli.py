import io
import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread

import ibis
import pyarrow as pa
import pytest
from conftest import Registered, Trained, release
from fixture_project import PACKAGE, main
from seams import binary
from sklearn.ensemble import HistGradientBoostingClassifier

from mlprod.commands.cli import VERBS
from mlprod.contract.schema import ContractSchema, Fields
from mlprod.ops import deploy, drills, stage_requirements
from mlprod.project.project import Project
from mlprod.serving.api_keys import ApiKeys
from mlprod.settings import Settings
from mlprod.training.evidence_store import read_evidence
from mlprod.training.promotion import promote
from mlprod.training.registry import Registry

data = import_module(f"{PACKAGE}.data")


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The environment names the tests' own registry.

    Whether this checkout has uncommitted changes must not matter.
    """
    monkeypatch.setenv("GIT_DIR", str(settings.state_dir / "no repository"))
    monkeypatch.setenv("ML_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    return settings


@pytest.mark.parametrize("argv", [[], ["help"]])
def test_help_names_every_verb_and_what_it_does(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(argv) == 0
    message = " ".join(capsys.readouterr().out.split())
    for name, verb in VERBS.items():
        assert f"{name} {verb.help}" in message


def test_unknown_verb_exits_two_and_lists_the_known_verbs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["ship"])
    message = capsys.readouterr().err
    assert "'ship'" in message
    assert "rollback" in message


def empty(terms: ContractSchema) -> pa.Table:
    """A table of the contract's columns without a row."""
    types = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}
    columns = {field.name: types.get(field.kind, pa.string()) for field in terms.fields}
    columns |= {terms.id: pa.string(), terms.label: pa.float64()}
    columns |= {terms.unit: pa.string()} if terms.unit else {}
    columns |= {terms.time: pa.timestamp("us")} if terms.time else {}
    return pa.schema(columns).empty_table()


def test_contract_violation_is_reported_without_traceback_and_recorded(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = ibis.memtable(empty(Project(PACKAGE).seam().terms))
    monkeypatch.setattr(data, "load", lambda since=None, until=None: nothing)
    assert main(["validate"]) == 1
    message = capsys.readouterr().err
    assert "ContractViolationError: 0 rows" in message
    assert "does load() look at the right place" in message
    assert "Traceback" not in message
    stored = {record.check: record.passed for record in read_evidence(Registry(here))}
    assert stored["contract-holds"] is False


def test_tune_records_evidence_and_exits_one_for_better_settings(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trees(fields: Fields, trees: int = 20) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(max_iter=trees, random_state=0)

    seam = replace(binary, build_model=trees, search_space={"trees": [1, 20]})
    monkeypatch.setattr(Project, "seam", lambda _: seam)
    assert main(["tune"]) == 0
    assert (
        "passed hyperparameters-tuned: none of 2 settings surely better by 1%"
        in capsys.readouterr().out
    )
    few = replace(seam, build_model=lambda fields, trees=1: seam.build_model(fields, trees))
    monkeypatch.setattr(Project, "seam", lambda _: few)
    assert main(["tune"]) == 1
    shown = capsys.readouterr().out
    assert "put trees=20 into build_model()" in shown
    assert (
        "FAILED hyperparameters-tuned: 1 of 2 settings surely better by 1%; the best, trees=20"
        in shown
    )
    assert not next(
        record
        for record in read_evidence(Registry(here))
        if record.check == "hyperparameters-tuned"
    ).passed


def test_unattended_rollback_drill_without_a_predecessor_is_skipped(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback-drill", "--unattended", "--url", "http://127.0.0.1:9"]) == 0
    assert (
        "the drill was skipped: no earlier version exists to roll back to"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_promote_and_rollback_require_a_reason(
    here: Settings, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb]) == 1
    assert "MissingReasonError: the reason is not usable: it is empty" in capsys.readouterr().err


def test_promote_without_a_challenger_is_refused(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", "--reason", "it is time"]) == 1
    assert "NoTargetVersionError: there is no challenger to promote" in capsys.readouterr().err


def test_list_versions_without_versions_names_the_next_step(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list-versions"]) == 0
    assert "no version is registered yet; the next step is make train" in capsys.readouterr().out


def test_promotion_and_rollback_are_printed_and_listed(
    here: Settings, register: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    for digest in ("a" * 64, "b" * 64):
        number = register(digest).number
        assert (
            main(
                [
                    "promote",
                    "--version",
                    str(number),
                    "--reason",
                    "better",
                    "--actor",
                    "you",
                    "--skip-load-check",
                ]
            )
            == 0
        )
    assert main(["rollback", "--reason", "complaints", "--actor", "grace"]) == 0
    assert main(["list-versions"]) == 0
    message = capsys.readouterr().out
    assert "champion: version none -> 1 (model)" in message
    assert "champion: version 2 -> 1 (model)" in message
    assert "version   1  model     aaaaaaaaaaaa  champion" in message
    assert "rollback 2 -> 1  grace: complaints" in message


def test_list_versions_escapes_foreign_tags_and_continues(
    here: Settings, register: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(here)
    for digest in ("a" * 64, "b" * 64):
        promote(registry, "grace", "better", register(digest).number)
    assert (
        main(["rollback", "--reason", "complaints", "--actor", "grace", "--skip-load-check"]) == 0
    )
    registry.client.create_model_version(registry.name, "runs:/none/bundle", run_id=None)
    registry.tag(2, "previous", "abc")
    registry.tag(2, "kind", "\x1b]8;;http://evil.test\x07model")
    registry.tag(2, "rolled_back.why", "\x1b[2Jall is well")
    registry.tag_model("event.2026", "\x1b[2J{")
    registry.tag_model("event.2026-02", '{"action": "promote"}')
    capsys.readouterr()
    assert main(["list-versions"]) == 0
    message = capsys.readouterr().out
    assert "\x1b" not in message
    assert "version   1  model     aaaaaaaaaaaa  champion" in message
    assert "rolled back by grace at 20" in message
    assert "\\x1b[2Jall is well" in message
    assert "version   3  model\n             names no bundle" in message
    assert "its tag previous is 'abc', which is not a version number" in message
    assert message.count("of the model is not an event and is left out") == 2
    assert "rollback 2 -> 1  grace: complaints" in message


@pytest.mark.parametrize(
    "parts",
    [["list-versions"], ["rollback", "--reason", "complaints"], ["promote", "--reason", "better"]],
)
def test_foreign_tags_cause_no_traceback(
    here: Settings, register: Registered, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(here)
    for digest in ("a" * 64, "b" * 64):
        promote(registry, "grace", "better", register(digest).number)
    for name in (
        "previous",
        "kind",
        "bundle",
        "compared_with",
        "promote.at",
        "rolled_back.at",
        "columns",
        "domain",
    ):
        registry.tag(1, name, "\x1b[2J[")
        registry.tag(2, name, "\x1b[2J[")
    for name in ("environment", "moving.other", "event.2026"):
        registry.tag_model(name, "\x1b[2J[")
    main([*parts, *(["--skip-load-check"] if "--reason" in parts else [])])
    message = capsys.readouterr()
    assert "\x1b" not in message.out + message.err
    assert "Traceback" not in message.err


def test_rollback_to_a_named_version(
    here: Settings, register: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    for digest in "abc":
        promote(Registry(here), "grace", "better", register(digest * 64).number)
    assert (
        main(["rollback", "--reason", "b is bad too", "--version", "1", "--skip-load-check"]) == 0
    )
    assert "champion: version 3 -> 1 (model)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "code", "says"),
    [("1", 0, "serves version 1 after"), ("2", 1, "version 1 by now (does")],
)
def test_rollback_with_url_fails_until_the_service_follows(
    here: Settings,
    register: Registered,
    answers: str,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Follows(BaseHTTPRequestHandler):
        """A service that reports its version."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"model_version": answers}).encode())

    monkeypatch.setattr(drills, "DRILL_TIMEOUT", 0.3)
    for digest in ("a" * 64, "b" * 64):
        promote(Registry(here), "you", "better", register(digest).number)
    with ThreadingHTTPServer(("127.0.0.1", 0), Follows) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert (
            main(["rollback", "--reason", "complaints", "--skip-load-check", "--url", address])
            == code
        )
        server.shutdown()
    message = capsys.readouterr()
    assert says in message.out + message.err
    champion = Registry(here).get_by_alias("champion")
    assert champion
    assert champion.number == 1


@pytest.mark.parametrize("flag", [[], ["--environment", "local"], ["--environment", "staging"]])
def test_weaker_environment_than_the_registry_served_is_refused(
    here: Settings, register: Registered, flag: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    number = str(register("a" * 64).number)
    Registry(here).mark_environment("production")
    assert (
        main(["promote", "--version", number, "--reason", "better", "--skip-load-check", *flag])
        == 1
    )
    assert "NotReadyError: production" in capsys.readouterr().err
    assert Registry(here).get_by_alias("champion") is None


@pytest.mark.parametrize("named", ["local", "staging"])
def test_approval_of_staging_cannot_promote_if_production_follows(
    here: Settings,
    register: Registered,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        stage_requirements, "require_stage", lambda *_: None
    )  # even with every check passed
    number = str(register("a" * 64).number)
    Registry(here).mark_environment("production")
    parts = [
        "promote",
        "--version",
        number,
        "--reason",
        "better",
        "--skip-load-check",
        "--environment",
    ]
    assert main([*parts, named]) == 1
    assert "Works: --environment production" in capsys.readouterr().err
    assert Registry(here).get_by_alias("champion") is None
    assert main([*parts, "production"]) == 0


def test_verify_deploy_marks_the_environment_of_the_registry(
    here: Settings, register: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pods follow the champion, whoever promoted it, and for what."""
    monkeypatch.setattr(deploy, "verify_images", lambda *_: [])  # no cluster here
    parts = [
        "verify-deploy",
        "--images",
        f"registry.example.org/serving@sha256:{'a' * 64}",
        "--environment",
    ]
    assert main([*parts, "production"]) == 0
    assert Registry(here).environment() == "local", "the registry has no model yet"
    register("a" * 64)
    for environment, counts in (
        ("staging", "staging"),
        ("production", "production"),
        ("staging", "production"),
    ):
        assert main([*parts, environment]) == 0
        assert Registry(here).environment() == counts


def test_version_that_cannot_be_fetched_is_not_promoted(
    here: Settings, register: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    number = str(register("a" * 64).number)
    assert main(["promote", "--version", number, "--reason", "better"]) == 1
    assert "cannot be fetched" in capsys.readouterr().err
    assert Registry(here).get_by_alias("champion") is None


def test_password_in_the_registry_address_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:quokka@127.0.0.1:9")
    assert main(["list-versions"]) == 1
    message = capsys.readouterr().err
    assert "does not respond" in message
    assert "quokka" not in message


def test_fetch_model_copies_the_champion_once(
    here: Settings, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_MODEL_DIR", str(here.models))
    release(Registry(here), model)
    assert [main(["fetch-model"]), main(["fetch-model"])] == [0, 0]
    assert capsys.readouterr().out.split("\n")[:2] == [
        model.name,
        "MODEL_DIR already holds the champion",
    ]


@pytest.fixture
def records(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names the tests' own database of records."""
    monkeypatch.setenv("ML_DATABASE_URL", settings.database_url)


def test_mode_is_switched_and_shown(records: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set-mode"]) == 0
    assert capsys.readouterr().out == "assist (ML_MODE), never switched\n"
    assert (
        main(["set-mode", "shadow", "--reason", "complaints since noon", "--actor", "grace"]) == 0
    )
    assert main(["set-mode"]) == 0
    first, where, again = capsys.readouterr().out.splitlines()
    assert first == again
    assert where.startswith("stored in sqlite:///")
    assert first.startswith("shadow, since 20")
    assert first.endswith(" by grace: complaints since noon")


def test_switch_of_the_mode_requires_a_reason(
    records: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="complaints since noon"):
        main(["set-mode", "shadow"])
    assert main(["set-mode"]) == 0
    assert capsys.readouterr().out == "assist (ML_MODE), never switched\n"


def test_unknown_mode_exits_two_and_lists_the_modes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["set-mode", "off", "--reason", "complaints"])
    assert "'automate'" in capsys.readouterr().err


def test_database_without_tables_is_reported_and_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_DATABASE_URL", f"sqlite:///{tmp_path}/deep/records.db")
    assert main(["set-mode"]) == 1
    message = capsys.readouterr().err
    assert "run the verb migrate" in message
    assert "Traceback" not in message
    assert [main(["migrate"]), main(["migrate"]), main(["set-mode"])] == [0, 0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "the database of records has every table"
    ] * 2 + ["assist (ML_MODE), never switched"]


@pytest.mark.parametrize("named", [True, False])
def test_key_is_printed_once_and_has_its_roles(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("of-production.json" if named else "keys.json")
    if named:
        monkeypatch.setenv("ML_KEYS_FILE", str(path))
    requested = [
        "create-key",
        "--name",
        "checkout",
        "--role",
        "predict",
        "--role",
        "outcomes",
        "--until",
        "9998-12-31",
    ]
    assert main(requested) == 0
    out, err = capsys.readouterr()
    (secret,) = out.splitlines()
    caller = ApiKeys(path).caller(f"Bearer {secret}".encode())
    assert caller
    assert (caller.name, set(caller.roles)) == ("checkout", {"predict", "outcomes"})
    assert path.name in err
    assert secret not in err + path.read_text()
    assert json.loads(path.read_text())["keys"][0]["until"] == "9998-12-31"
    assert "earlier" not in err


def test_second_key_of_a_caller_names_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["create-key", "--name", "checkout", "--role", "predict"]) == 0
    out, err = capsys.readouterr()
    assert len(set(out.split())) == 2
    assert err.count("checkout has 1 earlier key, still valid") == 1


@pytest.mark.parametrize(
    "requested",
    [
        ["--name", "checkout"],
        ["--role", "predict"],
        ["--name", "checkout", "--role", "all"],
        ["--name", "checkout", "--role", "predict", "--until", "tomorrow"],
    ],
)
def test_key_without_name_or_known_role_is_not_created(
    requested: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["create-key", *requested])
    assert list(tmp_path.iterdir()) == []


def test_unreadable_key_file_is_reported_and_left_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{")
    monkeypatch.setenv("ML_KEYS_FILE", str(path))
    assert main(["create-key", "--name", "checkout", "--role", "predict"]) == 1
    assert f"KeysError: {path}" in capsys.readouterr().err
    assert path.read_text() == "{"


def test_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(since: object = None, until: object = None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(data, "load", load)
    with pytest.raises(ZeroDivisionError):
        main(["validate"])


def test_report_covers_the_requested_version_and_leaves_governance_unchanged(
    here: Settings,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(Path("governance").rglob("*"))
    monkeypatch.setenv("ML_MODEL_NAME", trained.settings.model_name)
    number = trained.result.version.number
    assert main(["report", "--version", str(number)]) == 0
    message = capsys.readouterr().out
    assert f"Assessed: version {number}, a model" in message
    assert (here.state_dir / "report" / "card.md").is_file()
    assert (
        f": version {number}, a model" in (here.state_dir / "report" / "scorecard.md").read_text()
    )
    assert sorted(Path("governance").rglob("*")) == before


REASON = "größer → 😀 “quoted”"


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding, as both streams of a test."""

    def __init__(self, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown = io.BytesIO()
        super().__init__(self.shown, encoding=encoding, errors="strict", write_through=True)
        monkeypatch.setattr("sys.stdout", self)
        monkeypatch.setattr("sys.stderr", self)

    def text(self) -> str:
        return self.shown.getvalue().decode(self.encoding)


ENCODINGS = pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])


@ENCODINGS
@pytest.mark.parametrize("columns", ["1", "20", "0", "wide"])
def test_help_of_every_verb_prints_on_any_terminal_encoding(
    columns: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    terminal = Terminal(encoding, monkeypatch)
    assert main(["help"]) == 0
    for name in VERBS:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
    assert "--version" in terminal.text()


@ENCODINGS
@pytest.mark.parametrize("columns", ["1", "200"])
def test_output_prints_on_any_terminal_encoding(
    columns: str,
    encoding: str,
    here: Settings,
    register: Registered,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    terminal = Terminal(encoding, monkeypatch)
    number = str(register("a" * 64).number)
    assert (
        main(
            [
                "promote",
                "--version",
                number,
                "--reason",
                REASON,
                "--actor",
                "Zoë",
                "--skip-load-check",
            ]
        )
        == 0
    )
    assert main(["list-versions"]) == 0
    assert main(["rollback", "--reason", REASON]) == 1
    for form in ("terminal", "markdown", "prometheus", "json"):
        main(["readiness", "--format", form])
    shown = terminal.text()
    assert "NoTargetVersionError" in shown
    missing = "".join(sign for sign in REASON if sign.encode(encoding, "ignore") == b"")
    assert "".join(json.dumps(sign)[1:-1] if sign in missing else sign for sign in REASON) in shown
    json.loads(shown[shown.rindex("\n{\n") :])
