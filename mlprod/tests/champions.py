"""A champion beside the records of what it scored."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Trained, release
from past import scored
from seams import binary

from mlprod.bundle.loader import open_bundle
from mlprod.governance.evidence import Evidence
from mlprod.monitoring.champion import ChampionInfo, load_champion
from mlprod.project.project import Project
from mlprod.records.database import now
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.evidence_store import read_evidence
from mlprod.training.registry import Registry

DAY = timedelta(days=1)
Send = Callable[..., None]


@pytest.fixture
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project whose domain is that of the parcels, with records in which nothing happened yet."""
    monkeypatch.setattr(Project, "seam", lambda _: binary)
    monkeypatch.setenv("ML_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("ML_GOVERNANCE_DIR", str(settings.governance_dir))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    monkeypatch.setenv("ML_DATABASE_URL", settings.database_url)
    (settings.state_dir / "watch.json").unlink(missing_ok=True)
    return settings


@pytest.fixture
def champion(here: Settings, trained: Trained, registry: Registry) -> ChampionInfo:
    release(registry, trained.bundle)
    return load_champion(registry)


@pytest.fixture
def store(here: Settings) -> Store:
    return Store(here.records_url)


@pytest.fixture
def send(store: Store, champion: ChampionInfo, trained: Trained) -> Send:
    """Rows that the champion scored so long ago; ids and decisions are made up."""
    bundle = open_bundle(trained.bundle, binary.terms.fields, binary.baseline)

    def ship(table: pa.Table, hours: float = 1, prefix: str = "c", **message: Any) -> None:
        rows = table.to_pylist()
        for place, (row, score) in enumerate(
            zip(rows, bundle.score_rows(rows)[1].tolist(), strict=True)
        ):
            row |= {
                "id": f"{prefix}{place}",
                "score": score,
                "decision": "call" if place % 2 else "leave",
            }
        facts = {"bundle": champion.bundle, "model_version": champion.version}
        scored(store, rows, now() - timedelta(hours=hours), **facts | message)

    return ship


def heavier(table: pa.Table) -> pa.Table:
    weights = pa.array([0.7 * weight for weight in table["weight"].to_pylist()])
    return table.set_column(table.column_names.index("weight"), "weight", weights)


def stored_evidence(settings: Settings, check: str) -> list[Evidence]:
    return [record for record in read_evidence(Registry(settings)) if record.check == check]
