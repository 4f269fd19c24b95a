import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import GATES, Trained, silent, waive
from governance_files import verdict
from seams import binary, given, parcels, text
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from mlprod.bundle.loader import BundleError
from mlprod.contract.schema import ContractError, Fields
from mlprod.contract.validation import ContractViolationError
from mlprod.governance.gates import GateError
from mlprod.governance.yaml_loader import GovernanceError
from mlprod.settings import Settings
from mlprod.training.export import ExportError
from mlprod.training.fit import InvalidScoresError
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import CHALLENGER, Registry


def runs(registry: Registry) -> list[dict[str, str]]:
    return [dict(run.data.tags) for run in registry.client.search_runs([registry.experiment])]


def with_column(name: str, values: Any) -> pa.Table:
    table = parcels()
    return table.set_column(table.column_names.index(name), name, pa.array(values))


class NeverFit:
    """An estimator that fails if it is fitted."""

    task = "binary"

    def fit(self, *_: object) -> None:
        raise AssertionError("the model was fitted")


def never(fields: Fields) -> NeverFit:
    return NeverFit()


def test_model_that_passes_the_gates_is_registered_as_challenger(trained: Trained) -> None:
    registry = Registry(trained.settings)
    challenger = registry.get_by_alias(CHALLENGER)
    assert challenger
    assert (challenger.number, challenger.digest) == (1, trained.bundle.name)
    assert challenger.tags["verdict"] == "passed"
    assert all(verdict.passed is not False for verdict in trained.result.verdicts)


def test_card_has_the_accountable_person_and_the_gates(trained: Trained) -> None:
    card = (trained.bundle / "card.md").read_text()
    assert "- One row: A parcel that may come late." in card
    assert "Accountable for its quality: Your Name <you@example.org>." in card
    assert "- passed beats-baseline: value minus the baseline's, lower bound" in card
    assert "| courier=bike |" in card


def test_first_model_is_not_compared_with_a_champion(trained: Trained) -> None:
    result = verdict(trained.result.verdicts, "holds-champion")
    assert (result.passed, result.says) == (None, "does not apply: there is no champion yet")


def test_same_inputs_give_the_same_bundle_in_another_process(
    trained: Trained, empty_state: Path, governance: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_state / "mlflow.db", tmp_path)
    program = (
        "from pathlib import Path; from conftest import silent; from seams import binary; "
        "from mlprod.settings import Settings; "
        "from mlprod.training.governed_training import train_with_governance; "
        f"settings = Settings(state_dir=Path({str(tmp_path)!r}), "
        f"governance_dir=Path({str(governance)!r}), "
        "tracking_uri='', model_name='parcels'); "
        "print(train_with_governance(binary, settings, silent).version.digest)"
    )
    folders = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    process = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": folders, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split()[-1] == trained.bundle.name


@pytest.mark.parametrize(("kind", "builds"), [("model", 2), ("baseline", 1)])
def test_training_builds_the_estimator_once_for_its_task_and_once_to_fit_it(
    settings: Settings, kind: str, builds: int
) -> None:
    built: list[Any] = []

    def build_model(fields: Fields) -> Any:
        built.append(binary.build_model(fields))
        return built[-1]

    train_with_governance(replace(binary, build_model=build_model), settings, silent, kind=kind)
    assert len(built) == builds


def test_other_rows_give_another_bundle(settings: Settings, trained_baseline: Trained) -> None:
    other = train_with_governance(
        replace(binary, load=given(parcels(seed=1))), settings, silent, kind="baseline"
    )
    assert other.version.digest != trained_baseline.bundle.name


def test_training_uses_only_rows_before_until(settings: Settings) -> None:
    lines: list[str] = []
    train_with_governance(
        binary,
        settings,
        lines.append,
        kind="baseline",
        until=datetime(2026, 1, 1) + timedelta(minutes=2_000),
    )
    assert "2,000 rows conform to it" in lines[0]


def test_baseline_is_judged_and_registered_like_a_model(trained_baseline: Trained) -> None:
    result = trained_baseline.result
    assert result.version.kind == "baseline"
    assert verdict(result.verdicts, "beats-baseline").says == "does not apply: this is the baseline"
    assert verdict(result.verdicts, "no-copy-of-the-label").passed


@pytest.mark.parametrize("copy", ["weight", "distance"])
def test_near_copy_of_the_label_is_refused_with_its_name(settings: Settings, copy: str) -> None:
    late = [label or 0 for label in parcels()["late"].to_pylist()]
    noise = np.random.Generator(np.random.Philox(3)).random(len(late))
    values = (
        np.array(late) * 20 + noise * 9
        if copy == "weight"
        else [None if label else 5.0 for label in late]
    )
    with pytest.raises(
        GateError, match=f"no-copy-of-the-label: single_field_power in {copy} = 1, must be <= 0.99"
    ):
        train_with_governance(
            replace(binary, load=given(with_column(copy, values))), settings, silent
        )


def test_refused_model_is_logged_and_not_registered(settings: Settings, registry: Registry) -> None:
    useless = replace(binary, load=given(with_column("stops", [1] * 3_000)), payoff=lambda *_: 1.0)
    with pytest.raises(
        GateError, match=r"beats-baseline: .*lower bound = 0, must be > 0: short by 0"
    ) as refused:
        train_with_governance(useless, settings, silent)
    assert [verdict.gate.id for verdict in refused.value.verdicts if verdict.passed is False] == [
        "beats-baseline"
    ]
    assert [run["verdict"] for run in runs(registry)] == ["refused"]
    assert registry.versions() == []


def test_contract_violation_stops_the_training_before_it_starts(
    settings: Settings, registry: Registry
) -> None:
    seam = replace(
        text,
        load=given(parcels(50).rename_columns({"parcel": "key", "late": "label"})),
        build_model=never,
    )
    waive(settings)
    with pytest.raises(ContractViolationError, match="body: no such column"):
        train_with_governance(seam, settings, silent)
    assert runs(registry) == []


def test_unknown_metric_stops_the_training_before_it_starts(
    settings: Settings, tmp_path: Path
) -> None:
    shutil.copytree(settings.governance_dir, tmp_path / "governance")
    (tmp_path / "governance" / "gates.yaml").write_text(
        GATES.replace("parity_difference", "beauty")
    )
    with pytest.raises(
        GovernanceError, match="gate exact-export: metric: 'beauty' does not exist; these do: accur"
    ):
        train_with_governance(
            binary, settings.model_copy(update={"governance_dir": tmp_path / "governance"}), silent
        )


def test_model_too_large_for_the_service_is_refused_before_the_gates(
    settings: Settings, registry: Registry
) -> None:
    lines: list[str] = []
    with pytest.raises(BundleError, match="the limit is 1 MB"):
        train_with_governance(
            binary, settings.model_copy(update={"model_megabytes": 1}), lines.append
        )
    assert not any(line.startswith("gate") for line in lines)
    assert registry.versions() == []


def test_training_prints_the_memory_of_its_model(settings: Settings) -> None:
    lines: list[str] = []
    train_with_governance(binary, settings, lines.append)
    (message,) = [line for line in lines if line.startswith("size")]
    assert message.endswith(" MB of memory; the limit is 128 MB")


def test_dataframe_instead_of_a_table_is_refused_with_the_remedy(settings: Settings) -> None:
    framed: Any = replace(binary, load=lambda since=None, until=None: parcels().to_pandas())
    with pytest.raises(
        ContractError,
        match=r"a DataFrame; it must return an Ibis table, for example ibis.memtable\(frame\)",
    ):
        train_with_governance(framed, settings, silent)


def test_payoff_that_is_not_a_number_is_refused(settings: Settings) -> None:
    payoff: Any = lambda decision, outcome, row: None  # noqa: E731
    with pytest.raises(
        InvalidScoresError, match=r"payoff\('\w+', ...\) returned None; it must return money"
    ):
        train_with_governance(replace(binary, payoff=payoff), settings, silent)


def test_classifier_without_probabilities_is_refused_with_the_remedy(settings: Settings) -> None:
    with pytest.raises(ExportError, match=r"no predict_proba, .* Wrap it: CalibratedClassifierCV"):
        train_with_governance(
            replace(binary, build_model=lambda fields: make_pipeline(SimpleImputer(), LinearSVC())),
            settings,
            silent,
        )


def test_runtime_python_requires_a_waiver(settings: Settings, registry: Registry) -> None:
    (settings.governance_dir / "waivers.yaml").unlink(missing_ok=True)
    with pytest.raises(GovernanceError, match="'pickle' is needed and does not exist"):
        train_with_governance(text, settings, silent)
    waive(settings, date(2020, 1, 1))
    with pytest.raises(GovernanceError, match="'pickle' is needed and expired on 2020-01-01"):
        train_with_governance(text, settings, silent)
    assert registry.versions() == []
