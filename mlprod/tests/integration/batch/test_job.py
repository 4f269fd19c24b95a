import os
from pathlib import Path

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from batches import DOMAIN, Run, place, recorded, rows_of, run, spoilt, store
from conftest import Trained, release
from fixture_project import main
from seams import parcels

from mlprod.batch import selection
from mlprod.batch.job import score
from mlprod.batch.output import ScoringError, resolve_target
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.store import Store
from mlprod.serving.api_keys import KeysError
from mlprod.settings import Settings
from mlprod.training.registry import Registry

__all__ = ["place", "run", "store"]


def test_run_replaces_only_scores_of_the_same_rows(run: Run, place: Path) -> None:
    place.parent.mkdir()
    pq.write_table(parcels(10), place)
    with pytest.raises(ScoringError, match="exists and has no scores of"):
        run(parcels(100))
    assert pq.read_table(place).equals(parcels(10))
    place.unlink()
    run(parcels(200).slice(0, 100))
    run(parcels(200))
    assert len(pq.read_table(place)) == 200
    with pytest.raises(ScoringError, match="already contains the answers for june"):
        run(parcels(10), source="july")
    with pytest.raises(ScoringError, match="already contains the answers for june"):
        run(parcels(10), store=None)
    assert len(pq.read_table(place)) == 200


def test_previous_file_stays_if_the_database_is_unavailable(
    run: Run, place: Path, settings: Settings, tmp_path: Path
) -> None:
    run(parcels(100))
    before = place.read_bytes()
    with pytest.raises(StoreUnavailableError):
        run(parcels(100), store=Store(f"sqlite:///{tmp_path / 'without-tables.db'}"))
    assert place.read_bytes() == before
    assert not list(settings.state_dir.glob("scores-*"))


def test_unwritable_target_is_refused_before_scoring(
    trained: Trained, registry: Registry, settings: Settings, store: Store, tmp_path: Path
) -> None:
    release(registry, trained.bundle)
    with pytest.raises(
        ScoringError, match=r"nowhere://scores/june.parquet cannot be written to.*s3://bucket"
    ):
        score(DOMAIN, settings, rows_of(parcels(10)), "nowhere://scores/june.parquet", store, "you")
    (tmp_path / "README.md").write_text("not a folder")
    with pytest.raises(ScoringError, match="cannot be written to"):
        score(
            DOMAIN,
            settings,
            rows_of(parcels(10)),
            str(tmp_path / "README.md" / "june.parquet"),
            store,
            "you",
        )
    assert recorded(store) == {}


def test_missing_champion_is_reported(settings: Settings, store: Store, place: Path) -> None:
    with pytest.raises(ScoringError, match="nothing was promoted yet"):
        score(DOMAIN, settings, rows_of(parcels(10)), str(place), store, "you")


def test_staging_requires_the_keys_file_of_the_service(
    run: Run, settings: Settings, store: Store, place: Path
) -> None:
    away = settings.model_copy(update={"environment": "staging"})
    with pytest.raises(KeysError, match="ML_KEYS_FILE is not set and staging requires it"):
        score(DOMAIN, away, rows_of(parcels(10)), str(place), store, "you")
    assert not place.exists()


@pytest.mark.parametrize(
    ("to", "meant"),
    [
        ("var/scores", "var/scores/june.parquet"),
        ("out/what.parquet", "out/what.parquet"),
        ("s3://bucket/scores/?scheme=http", "s3://bucket/scores/june.parquet?scheme=http"),
        ("what?/scores", "what?/scores/june.parquet"),
    ],
)
def test_target_is_a_file_or_a_folder(to: str, meant: str) -> None:
    assert resolve_target(to, "june") == meant


def test_verb_scores_a_file_and_reports_the_result(
    run: Run, settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(selection, "load_scoring_functions", lambda _: DOMAIN)
    for name in ("state_dir", "model_name", "database_url", "event_log_dir"):
        monkeypatch.setenv(f"ML_{name.upper()}", str(getattr(settings, name)))
    pc.write_csv(spoilt(parcels(500), 2), tmp_path / "june.csv")
    given = ["score", "--input", str(tmp_path / "june.csv"), "--output", str(tmp_path / "out")]
    assert main(given) == 0
    dialect, first, second, third = capsys.readouterr().out.splitlines()
    assert (
        dialect == f"{tmp_path}/june.csv: CSV, UTF-8, commas between cells, decimal point, 500 rows"
    )
    assert first == f"500 rows, version 1, assist: {tmp_path}/out/june.parquet"
    assert (
        second
        == "no score for 2 rows: weight: above 30, for example 31.0 in line 2, 31.0 in line 3"
    )
    assert third == "498 recorded"
    assert main(given) == 0
    message = "0 recorded, 498 were already recorded: the output has the recorded responses"
    assert message in capsys.readouterr().out
    assert len(recorded(store)) == 498
    before = (tmp_path / "out" / "june.parquet").read_bytes()
    assert main([*given, "--dry-run"]) == 0
    assert "recorded" not in capsys.readouterr().out
    assert (tmp_path / "out" / "june.parquet").read_bytes() == before
    assert (tmp_path / "out" / "june.trial.parquet").exists()
    assert main(["score", "--input", str(tmp_path / "july.csv")]) == 1
    assert "july.csv: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
def test_umask_decides_who_may_read_the_scores(
    run: Run, place: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        run(parcels(50))
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == mode
