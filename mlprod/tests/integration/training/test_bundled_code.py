"""Each version answers with the code that it was trained with, after any later edit."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from conftest import eventually, point, serve, silent
from seams import PARCEL, binary
from stored import stored

from mlprod.batch.scorer import Scorer
from mlprod.bundle.code_rules import CodeError
from mlprod.bundle.loader import open_bundle
from mlprod.bundle.runtime import OnnxRuntime
from mlprod.contract.encoding import sample_columns
from mlprod.ops.migrate import migrate
from mlprod.project.project import Seam
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.settings import Settings
from mlprod.training.feature_check import bound_rows
from mlprod.training.registry import Registry
from mlprod.training.train import train

DECISION = """
from .words import HIGH

def baseline(columns):
    return columns["weight"] / 30

def decide(score, threshold):
    return HIGH if score >= threshold else "leave"
"""
MODEL = """
import numpy as np

SHIFT = 0.0

class ByStops:
    task = "binary"

    def fit(self, columns, y):
        self.mean = float(np.mean(y))
        return self

    def predict(self, columns):
        return np.clip(columns["stops"] / 50 + SHIFT, 0, 1)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with files of its own; it is forgotten after the test."""
    folder = tmp_path / "shop_of_the_test"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "decision": DECISION,
        "words": 'HIGH = "call"\n',
        "model": MODEL,
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def imported(package: Path, name: str) -> ModuleType:
    """Import a module of the package as its file is now, as after a restart."""
    for known in [known for known in sys.modules if known.startswith(package.name)]:
        del sys.modules[known]
    importlib.invalidate_caches()
    return importlib.import_module(f"{package.name}.{name}")


def seam_of(package: Path, *names: str) -> Seam:
    """The seam of the tests with decision.py of the package, as the file is now."""
    decision = imported(package, "decision")
    sources = {name: (package / f"{name}.py").read_text() for name in ("decision", *names)}
    return replace(
        binary,
        baseline=decision.baseline,
        decide=decision.decide,
        sources=sources,
        package=package.name,
    )


def trained_bundle(seam: Seam, settings: Settings, registry: Registry, kind: str) -> Path:
    """Train a version, and return the folder of its bundle, which has its digest as a name."""
    version = train(seam, settings, silent, kind=kind).version
    folder = settings.state_dir / "downloads" / version.digest
    if folder.exists():
        # Another test has trained the same bytes.
        return folder
    shutil.copytree(registry.download(version, folder.with_suffix(".registered")), folder)
    return folder


def edit(package: Path, name: str, old: str, new: str) -> None:
    path = package / f"{name}.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    # Python compares the seconds of a source with those of its compiled form.
    for compiled in package.rglob("*.pyc"):
        compiled.unlink()


FEATURES = """
def derive(columns):
    return {"per_stop": columns["weight"] / (1 + columns["stops"]), "stops": columns["stops"]}
"""


def with_features(package: Path) -> Seam:
    """The seam of the package with its features.py, as the file is now."""
    seam = seam_of(package, "words", "features")
    return replace(seam, derive=imported(package, "features").derive)


def test_service_batch_and_training_compute_the_same_features(
    package: Path, settings: Settings, registry: Registry
) -> None:
    (package / "features.py").write_text(FEATURES)
    seam = with_features(package)
    bundle = trained_bundle(seam, settings, registry, "model")
    edit(package, "features", "(1 + columns", "(7 + columns")
    today = with_features(package)
    opened = open_bundle(bundle, today.terms.fields, today.baseline)
    columns = sample_columns(seam.terms.fields, 100_000, seed=8)
    edges = bound_rows(seam.terms.fields)
    columns = {name: np.concatenate([edges[name], values]) for name, values in columns.items()}
    rows = [
        {name: None if value != value else value for name, value in zip(columns, row, strict=True)}
        for row in zip(*(values.tolist() for values in columns.values()), strict=True)
    ]
    training = opened.runtime.score(columns)
    _, service = opened.score_rows(rows)
    np.testing.assert_array_equal(service, training)
    matrix = seam.inputs.matrix(columns)
    assert isinstance(opened.runtime, OnnxRuntime)
    np.testing.assert_array_equal(opened.runtime.run(matrix), training)
    assert not np.array_equal(today.inputs.matrix(columns), matrix, equal_nan=True)
    table = pa.table(
        {
            name: [
                value if isinstance(value, str) or value is None else float(value)
                for value in (row[name] for row in rows[:2_000])
            ]
            for name in columns
        }
    ).append_column("parcel", [[f"p{row}" for row in range(2_000)]])
    scorer = Scorer(bundle, bundle.name, today.terms, today.baseline, today.decide)
    (batch,) = scorer(table.to_batches())
    accepted = np.asarray(batch["refused"].is_null())
    assert accepted.sum() > 1_000
    np.testing.assert_array_equal(np.asarray(batch["score"])[accepted], training[:2_000][accepted])


def test_explanation_and_drift_stay_on_the_fields(
    package: Path, settings: Settings, registry: Registry
) -> None:
    (package / "features.py").write_text(FEATURES)
    seam = with_features(package)
    point(settings.models, trained_bundle(seam, settings, registry, "model"), 1)
    with serve(seam, settings) as client:
        (answer,) = client.post("/v1/explain", json={"rows": [PARCEL]}).json()["explanations"]
        assert {item["field"] for item in answer["fields"]} == set(seam.terms.fields.names)
        client.post("/v1/predict", json={"rows": [PARCEL]})
        assert 'ml_feature_bucket_total{field="weight"' in client.operations.get("/metrics").text


def row_of_a_batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([PARCEL | {"parcel": "p1"}])


def test_recorded_rows_scored_again_by_their_version_give_the_recorded_answers(
    package: Path, settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'records.db'}"})
    assert migrate(settings.records_url)
    (package / "features.py").write_text(FEATURES)
    seam = with_features(package)
    bundle = trained_bundle(seam, settings, registry, "model")
    point(settings.models, bundle, 1)
    store = Store(settings.records_url)
    # the PII field is not recorded, so a record can only be scored again without it
    unknown = dict.fromkeys(seam.terms.personal)
    rows = [PARCEL | unknown | {"stops": stops, "weight": stops / 2} for stops in range(1, 50)]
    with serve(seam, settings) as client:
        answer = client.post("/v1/predict", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        eventually(lambda: len(stored(store, predictions)) == len(rows))
    edit(package, "features", "(1 + columns", "(7 + columns")
    edit(package, "words", '"call"', '"wait for a call"')
    today = with_features(package)
    recorded = stored(store, predictions)
    store.engine.dispose()
    assert {item["bundle"] for item in recorded} == {bundle.name}
    opened = open_bundle(bundle, today.terms.fields, today.baseline)
    _, scores = opened.score_rows([unknown | item["row"] for item in recorded])
    assert [item["score"] for item in recorded] == pytest.approx(scores.tolist(), abs=1e-6)
    assert opened.decide
    threshold = opened.manifest.threshold
    assert threshold is not None
    decided = [opened.decide(item["score"], threshold) for item in recorded]
    assert [item["decision"] for item in recorded] == decided
    assert "call" in decided
    assert today.decide(1.0, threshold) == "wait for a call"


@pytest.mark.parametrize("kind", ["model", "baseline"])
def test_service_and_batch_answer_with_the_code_of_the_version(
    package: Path, settings: Settings, registry: Registry, kind: str
) -> None:
    bundle = trained_bundle(seam_of(package, "words"), settings, registry, kind)
    edit(package, "words", '"call"', '"wait for a call"')
    edit(package, "decision", '"leave"', '"forget"')
    edit(package, "decision", "/ 30", "/ 60")
    today = seam_of(package, "words")
    assert today.decide(1.0, 0.5) == "wait for a call"
    assert today.decide(0.0, 0.5) == "forget"
    point(settings.models, bundle, 1)
    with serve(today, settings) as client:
        (answer,) = client.post("/v1/predict", json={"rows": [PARCEL]}).json()["predictions"]
    scorer = Scorer(bundle, bundle.name, today.terms, today.baseline, today.decide)
    (batch,) = scorer([row_of_a_batch()])
    assert answer["decision"] == batch["decision"][0].as_py()
    assert answer["decision"] in {"call", "leave"}
    assert answer["score"] == pytest.approx(batch["score"][0].as_py(), abs=1e-6)
    if kind == "baseline":
        assert answer["score"] == pytest.approx(3.5 / 30)


def test_model_in_python_keeps_its_class_after_an_edit(
    package: Path, settings: Settings, registry: Registry
) -> None:
    settings = settings.model_copy(update={"allow_pickle": True})
    by_stops = imported(package, "model").ByStops
    seam = replace(
        seam_of(package, "words", "model"),
        build_model=lambda fields: imported(package, "model").ByStops(),
        runtime="python",
    )
    assert by_stops.task == "binary"
    bundle = trained_bundle(seam, settings, registry, "model")
    edit(package, "model", "SHIFT = 0.0", "SHIFT = 0.3")
    imported(package, "model")
    opened = open_bundle(bundle, seam.terms.fields, seam.baseline, allow_pickle=True)
    stops = np.array([0.0, 25.0, 50.0])
    columns = {field.name: np.full(3, 1.0) for field in seam.terms.fields} | {"stops": stops}
    np.testing.assert_allclose(opened.runtime.score(columns), [0.0, 0.5, 1.0])


def test_champion_is_compared_by_its_own_decision(
    package: Path, settings: Settings, registry: Registry
) -> None:
    first = train(seam_of(package, "words"), settings, silent).version
    registry.set_alias("champion", first)
    edit(package, "decision", 'HIGH if score >= threshold else "leave"', '"leave"')
    lines: list[str] = []
    train(seam_of(package, "words"), settings, lines.append)
    (champion,) = [line for line in lines if line.startswith("champion ")]
    (model,) = [line for line in lines if line.startswith("model ")]
    value = [float(line.partition("per test row ")[2].split()[0]) for line in (champion, model)]
    assert value[0] > value[1]


@pytest.mark.parametrize(
    ("name", "old", "new", "part"),
    [
        ("words", "HIGH", "import requests\nHIGH", "words.py:1 imports requests"),
        ("decision", "from .words", "from .other", "imports .other, which is not a module"),
        ("decision", "return columns", "open('x')\n    return columns", "calls open()"),
    ],
)
def test_code_that_no_bundle_may_carry_is_named_before_the_training(
    package: Path,
    settings: Settings,
    registry: Registry,
    name: str,
    old: str,
    new: str,
    part: str,
) -> None:
    seam = seam_of(package, "words")
    edit(package, name, old, new)
    texts = {known: (package / f"{known}.py").read_text() for known in seam.sources}
    lines: list[str] = []
    with pytest.raises(CodeError) as raised:
        train(replace(seam, sources=texts), settings, lines.append)
    assert part in str(raised.value)
    assert lines == []
    assert registry.versions() == []
