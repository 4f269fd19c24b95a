import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from conftest import Trained, release, silent
from fixture_project import main
from seams import PARCELS, Flat, binary, given, parcels, terms_of

from mlprod.bundle.loader import open_bundle
from mlprod.bundle.manifest import PROVENANCE, folder_digest
from mlprod.governance.gates import GateError
from mlprod.records.database import now
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.dataset import collect
from mlprod.training.governed_training import train_with_governance
from mlprod.training.outcome_labels import LabelFillResult, fill_labels, read_outcome_labels
from mlprod.training.reason import MissingReasonError
from mlprod.training.registry import CHALLENGER, CHAMPION, Registry
from mlprod.training.retrain import ModelUnchangedError, retrain, retraining_due

pytest_plugins = ["postgres"]

MINUTE = np.timedelta64(60_000_000, "us")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store(settings.records_url)
    yield made
    made.engine.dispose()


def add_outcomes(store: Store, outcomes: Mapping[str, float]) -> None:
    given = [
        {"prediction_id": id, "outcome": float(o), "at": now(), "correction": True}
        for id, o in outcomes.items()
    ]
    store.add_outcomes(given)


def known(**outcomes: float) -> pa.Table:
    return pa.table(
        {"prediction_id": list(outcomes), "outcome": pa.array(outcomes.values(), pa.float64())}
    )


def labels(table: Any, terms: Any = PARCELS) -> dict[Any, Any]:
    return {
        row[terms.id]: row[terms.label]
        for row in table.select(terms.id, terms.label).to_pyarrow().to_pylist()
    }


def test_outcomes_of_smoke_tests_are_not_read(records_url: str) -> None:
    store = Store(records_url)
    assert read_outcome_labels(store).num_rows == 0
    add_outcomes(store, {"a": 1, "b": 0, "smoke-1": 1, "Smoke-2": 1})
    # A correction: the last outcome counts.
    add_outcomes(store, {"b": 1})
    assert sorted(read_outcome_labels(store).to_pylist(), key=str) == [
        {"prediction_id": "Smoke-2", "outcome": 1.0},
        {"prediction_id": "a", "outcome": 1.0},
        {"prediction_id": "b", "outcome": 1.0},
    ]
    store.engine.dispose()


def test_only_a_missing_label_is_filled_with_the_outcome() -> None:
    table = ibis.memtable(
        pa.table({"parcel": ["a", "b", "c", "d"], "late": pa.array([0, None, None, 1], pa.int64())})
    )
    rows, result = fill_labels(table, PARCELS, known(a=1, b=1, nobody=1))
    assert labels(rows) == {"a": 0, "b": 1, "c": None, "d": 1}
    assert rows.columns == table.columns
    assert result == LabelFillResult(outcomes=3, used=1, unmatched=1)


@pytest.mark.parametrize(
    "own",
    [
        pa.array([True, None, False]),
        pa.array([1.0, float("nan"), 0.0]),
        pa.array([1, None, 0], pa.int8()),
        pa.array([None, None, None], pa.int64()),
    ],
)
def test_outcomes_match_ids_and_labels_of_any_type(own: pa.Array) -> None:
    table = ibis.memtable(pa.table({"key": [1, 2, 3], "label": own}))
    rows, result = fill_labels(table, terms_of(Flat), known(**{"2": 0.0}))
    first = own.to_pylist()[0]
    assert labels(rows, terms_of(Flat))[2] == 0
    assert labels(rows, terms_of(Flat))[1] == (None if first is None else 1)
    assert (result.used, result.unmatched) == (1, 0)


def test_rows_are_unchanged_without_outcomes_or_without_the_columns() -> None:
    table = ibis.memtable(pa.table({"parcel": ["a"], "late": [1]}))
    assert fill_labels(table, PARCELS, known()) == (table, LabelFillResult(0))
    other = ibis.memtable(pa.table({"something": ["a"]}))
    assert fill_labels(other, PARCELS, known(a=1)) == (other, LabelFillResult(1))


def shifted(rows: int = 6_000) -> tuple[pa.Table, dict[str, float]]:
    """Return later parcels without labels, and their outcomes.

    They are heavier, and late with few stops instead of many.
    """
    table, random = parcels(rows, seed=1), np.random.Generator(np.random.Philox(9))
    stops = table["stops"].to_numpy()
    late = random.random(rows) < 1 / (1 + np.exp(0.3 * (stops - 25)))
    ids = [f"q{row:05d}" for row in range(rows)]
    changed = {
        "parcel": ids,
        "at": table["at"].to_numpy() + 3_000 * MINUTE,
        "weight": (20 + 10 * random.random(rows)).round(2),
        "late": pa.nulls(rows, pa.int64()),
    }
    for name, values in changed.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table, dict(zip(ids, late.astype(float), strict=True))


def test_retraining_after_a_drift_makes_a_challenger_that_predicts_the_new_rows(
    settings: Settings, registry: Registry, store: Store, trained: Trained, tmp_path: Path
) -> None:
    before = release(registry, trained.bundle)
    later, outcomes = shifted()
    add_outcomes(store, outcomes)
    drifted = replace(binary, load=given(pa.concat_tables([parcels(), later])))
    lines: list[str] = []
    made = retrain(
        drifted, settings, store, lines.append, trigger="drift", who="you", why="weight moved"
    )
    assert lines[0] == "trigger    drift: weight moved"
    assert "6,000 in sqlite" in lines[1]
    assert lines[1].endswith("6,000 fill missing labels of load()")

    challenger, champion = registry.get_by_alias(CHALLENGER), registry.get_by_alias(CHAMPION)
    assert challenger
    assert champion
    assert (champion.number, challenger.number) == (before.number, made.version.number)
    assert challenger.tags["compared_with"] == str(before.number)
    assert {
        name: challenger.tags[f"retrain.{name}"] for name in ("because", "why", "by", "outcomes")
    } == {
        "because": "drift",
        "why": "weight moved",
        "by": "you",
        "outcomes": "6000",
    }
    assert all(verdict.passed is not False for verdict in made.verdicts)
    gate = next(verdict for verdict in made.verdicts if verdict.gate.id == "holds-champion")
    assert gate.passed
    bundle = registry.download(challenger, tmp_path)
    manifest = open_bundle(
        bundle, PARCELS.fields, binary.baseline, digest=challenger.digest
    ).manifest
    own = int(pc.sum(pc.is_valid(parcels()["late"])).as_py())
    assert manifest.data.rows == own + len(outcomes)
    assert str(manifest.data.until) > str(parcels()["at"].to_numpy().max()), (
        "the window includes the new rows"
    )
    rows = collect(
        fill_labels(ibis.memtable(later), PARCELS, read_outcome_labels(store))[0], PARCELS
    )
    new, old = (
        open_bundle(path, PARCELS.fields, binary.baseline, digest=version.digest).runtime.score(
            rows.columns
        )
        for path, version in ((bundle, challenger), (trained.bundle, before))
    )
    assert np.mean((new - rows.y) ** 2) < 0.5 * np.mean((old - rows.y) ** 2), (
        "it predicts the new rows better than the champion"
    )
    last = registry.history()[-1]
    assert (last["action"], last["before"], last["version"]) == (
        "retrain",
        before.number,
        challenger.number,
    )
    assert last["why"] == "drift: weight moved"

    blind = train_with_governance(drifted, settings, silent).version
    assert registry.version(blind.number).digest == before.digest, (
        "without outcomes the result is the champion"
    )


@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_retraining_promotes_nothing_in_any_tier(
    settings: Settings,
    registry: Registry,
    store: Store,
    trained_baseline: Trained,
    tmp_path: Path,
    tier: str,
) -> None:
    folder = Path(shutil.copytree(settings.governance_dir, tmp_path / "governance"))
    questions = ("about_people", "personal_data", "acts_without_review")
    yes = {name: place < {"A": 2, "B": 1, "C": 0}[tier] for place, name in enumerate(questions)}
    (folder / "risk.yaml").write_text(f"tier_questions: {json.dumps(yes)}\n")
    here = settings.model_copy(update={"governance_dir": folder})
    champion = release(registry, trained_baseline.bundle)
    challenger = retrain(binary, here, store, silent, trigger="drift", who="a schedule").version
    assert challenger.number != champion.number
    assert registry.get_by_alias(CHALLENGER) == registry.version(challenger.number)
    assert registry.get_by_alias(CHAMPION) == registry.version(champion.number)
    assert [event["action"] for event in registry.history()] == ["promote", "retrain"], (
        "the first was the release"
    )


def test_refused_retraining_changes_nothing(
    settings: Settings, registry: Registry, store: Store, trained: Trained, baseline: Path
) -> None:
    champion = release(registry, trained.bundle)
    waiting = challenge(registry, baseline, champion.number)
    worthless = replace(binary, load=given(parcels(seed=3)), payoff=lambda *_: 1.0)
    with pytest.raises(GateError, match="beats-baseline"):
        retrain(worthless, settings, store, silent, trigger="drift", who="you")
    assert registry.get_by_alias(CHAMPION) == registry.version(champion.number)
    assert registry.get_by_alias(CHALLENGER) == registry.version(waiting)
    assert len(registry.versions()) == 2


def test_retraining_that_gives_the_champion_is_an_error(
    settings: Settings, registry: Registry, store: Store, trained: Trained
) -> None:
    champion = release(registry, trained.bundle)
    with pytest.raises(
        ModelUnchangedError, match=f"version {champion.number}, again.*Check that load"
    ):
        retrain(binary, settings, store, silent, trigger="drift", who="you")
    assert not any(event["action"] == "retrain" for event in registry.history())


def test_retraining_by_a_person_requires_a_reason(settings: Settings, store: Store) -> None:
    for why in ("", "  ", "x" * 501):
        with pytest.raises(MissingReasonError, match='--reason "a new fraud"'):
            retrain(binary, settings, store, silent, trigger="person", who="you", why=why)


def dated(bundle: Path, days: float) -> Path:
    """Change the bundle as if it had been made some days ago, and return it."""
    made = json.loads((bundle / PROVENANCE).read_text())
    made["created_at"] = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    (bundle / PROVENANCE).write_text(json.dumps(made))
    return bundle


def challenge(registry: Registry, bundle: Path, champion: int) -> int:
    tags = {"kind": "model", "compared_with": str(champion)}
    version = registry.register(registry.log_run({}, {}, {}, bundle), folder_digest(bundle), tags)
    registry.set_alias(CHALLENGER, version)
    return version.number


def test_retraining_is_due_only_for_a_champion_above_the_age_limit(
    registry: Registry, model: Path
) -> None:
    assert retraining_due(registry, 90) == (False, "there is no champion, so none is too old")
    release(registry, dated(model, 91))
    assert retraining_due(registry, 90) == (
        True,
        "the champion, version 1, is 91.0 days old; the limit is 90",
    )
    assert retraining_due(registry, 92)[0] is False


def test_retraining_is_not_due_while_a_young_challenger_waits(
    registry: Registry, model: Path, baseline: Path
) -> None:
    champion = release(registry, dated(model, 100)).number
    waiting = challenge(registry, dated(baseline, 2), champion)
    old, message = retraining_due(registry, 90)
    assert not old
    assert message.endswith(f"version {waiting} was made 2.0 days ago and waits for `make promote`")
    # `promote` would refuse a challenger that was compared with another champion.
    registry.tag(waiting, "compared_with", "17")
    assert retraining_due(registry, 90)[0] is True


def test_retrain_without_a_trigger_does_nothing_for_a_young_champion(
    settings: Settings, registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    release(registry, dated(model, 3))
    monkeypatch.setenv("ML_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    assert main(["retrain"]) == 0
    assert capsys.readouterr().out.startswith(
        "nothing to do: the champion, version 1, is 3.0 days old"
    )
    assert len(registry.versions()) == 1
