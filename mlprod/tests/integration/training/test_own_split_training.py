from dataclasses import replace
from pathlib import Path

from seams import binary

from mlprod.bundle.manifest import MANIFEST, read_manifest
from mlprod.settings import Settings
from mlprod.training.dataset import load_rows
from mlprod.training.evidence_store import read_evidence
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry


def test_training_by_split_of_data_py_is_recorded_and_fails_the_check_of_a_split_by_time(
    settings: Settings, tmp_path: Path
) -> None:
    rows = load_rows(binary)[1]
    assert rows.ids is not None
    tested = [int(customer[1:]) % 4 == 0 for customer in rows.units]
    own = {
        "train": [id for id, test in zip(rows.ids, tested, strict=True) if not test],
        "test": [id for id, test in zip(rows.ids, tested, strict=True) if test],
    }
    lines: list[str] = []
    result = train_with_governance(
        replace(binary, own_split=own), settings, lines.append, kind="baseline"
    )
    warnings = [line for line in lines if line.startswith("split      WARNING")]
    assert any("SPLIT of data.py decides it" in line for line in warnings)
    assert any("overlap in time" in line for line in warnings)
    assert set(result.test.ids if result.test.ids is not None else ()) == set(own["test"])
    registry = Registry(settings)
    bundle = registry.download(result.version, tmp_path)
    split = read_manifest((bundle / MANIFEST).read_bytes()).data.split
    assert split.startswith("SPLIT of data.py, ")
    assert f"The project itself divided the rows: {split}." in (bundle / "card.md").read_text()
    (run,) = registry.training_runs(5)
    assert run.data.tags["split"] == split
    evidence = {item.check: item.passed for item in read_evidence(registry)}
    assert evidence["split-by-time"] is False


def test_bundle_of_the_librarys_split_does_not_mention_it(
    settings: Settings, tmp_path: Path
) -> None:
    result = train_with_governance(binary, settings, lambda _: None, kind="baseline")
    bundle = Registry(settings).download(result.version, tmp_path)
    assert b'"split"' not in (bundle / MANIFEST).read_bytes()
    assert "divided the rows" not in (bundle / "card.md").read_text()
