"""Training with and without the folder governance/, and the evidence that it writes."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import silent
from fixture_project import main
from seams import binary, given, parcels, text

from mlprod.contract.report import CheckReport
from mlprod.contract.validation import ContractViolationError
from mlprod.governance.gates import Gate, GateError
from mlprod.settings import Settings
from mlprod.training.evidence_store import read_evidence
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import CHALLENGER, Registry
from mlprod.training.train import train
from mlprod.training.training_result import TrainingResult

BEATS_BASELINE = Gate(
    id="beats-baseline",
    metric="value",
    compare="baseline",
    op=">",
    threshold=0,
    on="lower",
    why="worth its upkeep",
)


@pytest.fixture
def bare(settings: Settings, tmp_path: Path) -> Settings:
    """Return settings without the folder governance/."""
    return settings.model_copy(update={"governance_dir": tmp_path / "governance"})


def test_training_without_governance_returns_its_result_and_writes_no_evidence(
    bare: Settings,
) -> None:
    result = train(binary, bare, silent, gates=[BEATS_BASELINE])
    assert [(verdict.gate.id, verdict.passed) for verdict in result.verdicts] == [
        ("beats-baseline", True)
    ]
    assert result.measured["baseline", "value", ""].low > 0
    assert result.candidate.runtime.score(result.test.columns).shape == (len(result.test),)
    registry = Registry(bare)
    challenger = registry.get_by_alias(CHALLENGER)
    assert challenger
    assert (challenger.number, challenger.digest) == (result.version.number, result.version.digest)
    assert challenger.tags["verdict"] == "passed"
    assert read_evidence(registry) == []
    assert not bare.governance_dir.exists()


def test_model_without_gates_is_registered_and_is_not_the_challenger(bare: Settings) -> None:
    lines: list[str] = []
    result = train(text, bare, lines.append)
    assert (result.verdicts, result.version.tags["verdict"]) == ([], "not judged")
    assert Registry(bare).get_by_alias(CHALLENGER) is None
    assert lines[-1] == "challenger unchanged: no gates were given, so none judged version 1"


def test_failed_gate_refuses_the_model(bare: Settings) -> None:
    with pytest.raises(GateError, match="beats-baseline: value minus the baseline's, lower bound"):
        train(binary, bare, silent, gates=[BEATS_BASELINE.model_copy(update={"threshold": 1_000})])
    assert Registry(bare).versions() == []


@pytest.mark.parametrize(
    "verb", [["train"], ["train", "--baseline"], ["retrain", "--reason", "a new fraud"]]
)
def test_verb_that_trains_is_refused_without_gates(
    verb: list[str],
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ML_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    monkeypatch.setenv("ML_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("ML_GOVERNANCE_DIR", str(tmp_path / "governance"))
    assert main(verb) == 1
    assert f"GovernanceError: {tmp_path / 'governance' / 'gates.yaml'}" in capsys.readouterr().err
    assert Registry(settings).versions() == []


def test_contract_violation_is_evidence(settings: Settings) -> None:
    with pytest.raises(ContractViolationError):
        train_with_governance(
            replace(binary, load=given(parcels(50).drop_columns(["stops"]))), settings, silent
        )
    assert [
        (record.check, record.passed)
        for record in read_evidence(Registry(settings))
        if not record.passed
    ] == [("contract-holds", False)]


def test_version_whose_evidence_cannot_be_written_is_not_the_challenger(settings: Settings) -> None:
    class Failing:
        def data_refused(self, report: CheckReport) -> None:
            raise AssertionError(report)

        def registered(self, result: TrainingResult) -> None:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        train(binary, settings, silent, kind="baseline", gates=[BEATS_BASELINE], listener=Failing())
    assert Registry(settings).get_by_alias(CHALLENGER) is None
