"""A forecast: back-test, refit on all rows, and the champion of the next training."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import silent
from forecasts import as_last_week, between, days, forecast
from governance_files import verdict

from mlprod.bundle.loader import open_bundle
from mlprod.governance.gates import GateError
from mlprod.settings import Settings
from mlprod.training.dataset import load_rows
from mlprod.training.governed_training import train_with_governance
from mlprod.training.promotion import promote
from mlprod.training.registry import Registry
from mlprod.training.training_result import TrainingResult

refitted = replace(forecast, refit=True)


def bundle_of(settings: Settings, result: TrainingResult, folder: Path) -> Path:
    bundle = Registry(settings).download(result.version, folder)
    return bundle.rename(folder / result.version.digest)


def test_card_and_manifest_name_the_windows_of_the_back_test(
    settings: Settings, tmp_path: Path
) -> None:
    lines: list[str] = []
    result = train_with_governance(forecast, settings, lines.append)
    assert sum(line.startswith("backtest ") for line in lines) == 5
    folder = bundle_of(settings, result, tmp_path)
    manifest = open_bundle(folder, forecast.terms.fields, as_last_week).manifest
    assert list(manifest.backtest) == list(result.windows)
    assert manifest.refit is None
    card = (folder / "card.md").read_text()
    assert "### Back-test" in card
    assert "Worth more than the baseline in 5 of 5 windows" in card
    assert "### Refit" not in card


def test_refitted_model_serves_and_the_figures_are_those_of_the_evaluated_one(
    settings: Settings, tmp_path: Path
) -> None:
    plain = train_with_governance(forecast, settings, silent)
    lines: list[str] = []
    result = train_with_governance(refitted, settings, lines.append)
    assert any(line.startswith("refit      on all 600 rows") for line in lines)
    assert verdict(result.verdicts, "refit-agrees").passed
    assert result.evaluation.overall() == plain.evaluation.overall()
    folder = bundle_of(settings, result, tmp_path)
    bundle = open_bundle(folder, forecast.terms.fields, as_last_week)
    manifest = bundle.manifest
    assert manifest.refit
    assert (manifest.refit.evaluated_rows, manifest.refit.rows) == (420, 600)
    assert manifest.refit.evaluated_until < str(manifest.data.learned_until)
    assert manifest.data.learned_until == manifest.data.until
    rows = load_rows(forecast)[1]
    served = bundle.runtime.score(rows.columns)
    assert not np.allclose(served, result.candidate.runtime.score(rows.columns))
    card = (folder / "card.md").read_text()
    assert "it learned from the 420 rows until 2027-02-24" in card
    assert "fitted again on all 600 rows, until 2027-08-23" in card
    assert "- passed refit-agrees: refit_difference = " in card


def with_gate(settings: Settings, folder: Path, gate: str) -> Settings:
    """The settings, with one more gate in gates.yaml."""
    shutil.copytree(settings.governance_dir, folder / "governance")
    with (folder / "governance" / "gates.yaml").open("a") as file:
        file.write(f"  - {{{gate}, why: the test}}\n")
    return settings.model_copy(update={"governance_dir": folder / "governance"})


def test_refit_that_differs_too_much_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings = with_gate(
        settings, tmp_path, "id: close, metric: refit_difference, op: '<=', threshold: 0.000001"
    )
    with pytest.raises(GateError, match=r"close: refit_difference = .*: short by") as refused:
        train_with_governance(refitted, settings, silent)
    assert "refit-agrees" not in str([v.gate.id for v in refused.value.verdicts])
    result = train_with_governance(forecast, settings, silent)
    assert (
        verdict(result.verdicts, "close").says
        == 'does not apply: it needs REFIT = "all" in model.py, and that other gates pass'
    )


@pytest.mark.parametrize(("more", "compared"), [(0, 0), (29, 0), (40, 40)])
def test_refitted_champion_is_compared_on_rows_that_it_has_not_learned(
    settings: Settings, more: int, compared: int
) -> None:
    registry = Registry(settings)
    first = train_with_governance(refitted, settings, silent)
    promote(registry, "you", "it forecasts")
    lines: list[str] = []
    other = replace(refitted, load=between(days(600 + more)), digest="another decision")
    result = train_with_governance(other, settings, lines.append)
    holds = verdict(result.verdicts, "holds-champion")
    if not compared:
        assert holds.passed is None
        assert f"version {first.version.number} has learned the rows until 2027-08-23" in holds.says
        assert f"and {more} of " in holds.says
        return
    assert holds.passed is not None
    assert any(f"compared on {compared} later test rows" in line for line in lines)


def test_champion_without_refit_is_compared_on_all_test_rows(settings: Settings) -> None:
    train_with_governance(forecast, settings, silent)
    promote(Registry(settings), "you", "it forecasts")
    lines: list[str] = []
    other = replace(forecast, load=between(days(640)))
    train_with_governance(other, settings, lines.append)
    assert any(line.startswith("champion   payoff per test row") for line in lines)
    assert not any("has learned the rows" in line for line in lines)


def test_champion_that_learned_later_rows_than_today_is_compared_on_later_ones(
    settings: Settings,
) -> None:
    """Older rows that load() adds move the cut back, into rows that the champion has learned."""
    train_with_governance(forecast, settings, silent)
    promote(Registry(settings), "you", "it forecasts")
    lines: list[str] = []
    older = replace(forecast, load=between(days(1_200, first=-600)))
    train_with_governance(older, settings, lines.append)
    assert any("has learned the rows until 2027-02-24" in line for line in lines)


def test_gate_may_require_most_windows_of_the_back_test(settings: Settings, tmp_path: Path) -> None:
    settings = with_gate(
        settings, tmp_path, "id: lasting, metric: backtest_wins, op: '>=', threshold: 0.6"
    )
    result = train_with_governance(forecast, settings, silent)
    assert "backtest_wins = 1, must be >= 0.6" in verdict(result.verdicts, "lasting").says
