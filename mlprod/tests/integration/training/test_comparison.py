"""Comparison of a model with the champion, on the same test rows."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import Trained, release, silent
from governance_files import verdict
from seams import binary

from mlprod.bundle.loader import BundleError, open_bundle
from mlprod.contract.schema import Fields
from mlprod.settings import Settings
from mlprod.training.comparison import unlearned_rows
from mlprod.training.dataset import load_rows
from mlprod.training.governed_training import train_with_governance
from mlprod.training.promotion import promote
from mlprod.training.registry import CHALLENGER, Registry


def test_model_is_compared_with_the_champion_on_the_same_rows(
    settings: Settings, registry: Registry, trained_baseline: Trained
) -> None:
    release(registry, trained_baseline.bundle)
    result = train_with_governance(binary, settings, silent)
    against = [verdict(result.verdicts, gate).says for gate in ("beats-baseline", "holds-champion")]
    difference = result.evaluation.difference(result.baseline)["value", ""]
    assert f"lower bound = {difference.low:.4g}" in against[0]
    # The champion is the baseline.
    assert f"upper bound = {difference.high:.4g}" in against[1]
    assert promote(registry, "you", "it is worth more")[1].number == result.version.number


def test_retrained_champion_is_the_same_version_and_not_a_challenger(
    settings: Settings, registry: Registry, trained: Trained
) -> None:
    first = release(registry, trained.bundle)
    again = train_with_governance(binary, settings, silent)
    assert again.version.number == first.number
    assert "= 0, must be >= 0" in verdict(again.verdicts, "holds-champion").says
    assert registry.get_by_alias(CHALLENGER) is None


def test_damaged_champion_stops_the_training(
    settings: Settings, registry: Registry, trained: Trained
) -> None:
    champion = release(registry, trained.bundle)
    assert registry.local_artifacts
    (stored,) = (registry.local_artifacts / champion.run).rglob("model.onnx")
    stored.write_bytes(b"something else")
    with pytest.raises(BundleError, match="it was changed or is incomplete"):
        train_with_governance(binary, settings, silent)


def test_champion_that_does_not_fit_the_contract_is_reported(
    settings: Settings, registry: Registry, trained_baseline: Trained
) -> None:
    release(registry, trained_baseline.bundle)
    fields = Fields(tuple(field for field in binary.terms.fields if field.name != "express"))
    narrower = replace(binary, terms=replace(binary.terms, fields=fields, slices=("courier",)))
    result = verdict(train_with_governance(narrower, settings, silent).verdicts, "holds-champion")
    assert result.passed is None
    assert "version 1 does not fit today's contract" in result.says
    assert "'express', which is gone" in result.says


AT = np.array(["2026-01-01", "2026-02-01"], dtype="datetime64[us]")


@pytest.mark.parametrize(
    ("group", "split", "own", "times", "learned_until", "expected"),
    [
        ("customer", "", "", True, "2026-01-15", [True, True]),
        (None, "", "", True, "2026-01-15", [False, True]),
        (None, "", "", True, None, [True, True]),
        (None, "", "", False, "2026-01-15", [True, True]),
        (None, "SPLIT a", "SPLIT a", True, "2026-03-01", [True, True]),
        (None, "SPLIT a", "SPLIT b", True, "2026-01-15", [False, True]),
        ("customer", "", "SPLIT b", True, "2026-01-15", [False, True]),
        ("customer", "SPLIT a", "", False, None, [False, False]),
    ],
)
def test_rows_that_the_champion_may_have_learned_do_not_count(
    trained: Trained,
    group: str | None,
    split: str,
    own: str,
    times: bool,
    learned_until: str | None,
    expected: list[bool],
) -> None:
    bundle = open_bundle(trained.bundle, binary.terms.fields, binary.baseline)
    data = bundle.manifest.data.model_copy(update={"split": split, "learned_until": learned_until})
    manifest = bundle.manifest.model_copy(update={"data": data})
    test = replace(load_rows(binary)[1].subset(np.arange(2)), at=AT if times else None)
    assert unlearned_rows(manifest, test, group, own).tolist() == expected
    baseline = manifest.model_copy(update={"kind": "baseline"})
    assert unlearned_rows(baseline, test, group, own).all()
