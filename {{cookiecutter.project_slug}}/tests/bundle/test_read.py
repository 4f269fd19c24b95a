import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Trained
from seams import PARCELS, heaviest_first

from {{cookiecutter.package_name}}.bundle.manifest import bundle_digest, sha256
from {{cookiecutter.package_name}}.bundle.read import Bundle, BundleRefused, open_bundle
from {{cookiecutter.package_name}}.contract.encoding import sample
from {{cookiecutter.package_name}}.contract.terms import Field, Fields

FIELDS = PARCELS.fields


def opened(folder: Path, fields: Fields = FIELDS) -> Bundle:
    return open_bundle(folder, fields, heaviest_first)


def refusal(folder: Path, fields: Fields = FIELDS) -> BundleRefused:
    with pytest.raises(BundleRefused) as refused:
        opened(folder, fields)
    return refused.value


def sealed(folder: Path, **changes: bytes) -> Path:
    """The bundle with other files, and with a manifest and a name that agree with them: made so, not damaged."""
    content = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "provenance.json"}
    content |= {f"{name}.json": data for name, data in changes.items()}
    manifest = json.loads(content["manifest.json"])
    manifest["files"] = {name: sha256(data) for name, data in content.items() if name != "manifest.json"}
    content["manifest.json"] = json.dumps(manifest).encode()
    target = folder.parent / bundle_digest(content)
    target.mkdir()
    for name, data in content.items():
        (target / name).write_bytes(data)
    return target


def with_field(name: str, change: Callable[[Field], Field | None]) -> Fields:
    changed = [change(field) if field.name == name else field for field in FIELDS]
    return Fields(tuple(field for field in changed if field))


def test_a_bundle_answers_as_the_pipeline_measured(model: Path, trained: Trained) -> None:
    bundle = opened(model)
    assert (bundle.digest, bundle.manifest.kind) == (model.name, "model")
    assert bundle.manifest.metrics == trained.outcome.evaluation.whole()
    scores = bundle.runtime.score(sample(FIELDS, 100, seed=9))
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 10


def test_a_bundle_under_another_name_is_opened_by_its_digest(model: Path) -> None:
    moved = model.rename(model.with_name("champion"))
    assert open_bundle(moved, FIELDS, heaviest_first, digest=model.name).digest == model.name
    assert refusal(moved).reason == "digest"


@pytest.mark.parametrize("name", ["card.md", "manifest.json", "model.onnx", "probe.json", "reference.json"])
def test_any_changed_byte_is_refused(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    assert refusal(model).reason == "digest"


@pytest.mark.parametrize("name", ["card.md", "manifest.json", "model.onnx", "probe.json", "reference.json"])
def test_a_removed_file_is_refused(model: Path, name: str) -> None:
    (model / name).unlink()
    assert refusal(model).reason == "digest"


@pytest.mark.parametrize("name", ["more.py", ".hidden", "folder/more.txt"])
def test_an_added_file_is_refused(model: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text("")
    assert refusal(model).reason == "digest"


def test_a_renamed_file_is_refused(model: Path) -> None:
    (model / "card.md").rename(model / "CARD.md")
    assert refusal(model).reason == "digest"


def test_an_absent_bundle_is_refused(model: Path) -> None:
    shutil.rmtree(model)
    assert refusal(model).reason == "digest"


def test_who_and_when_stand_beside_the_digest(model: Path) -> None:
    (model / "provenance.json").write_text("{}")
    assert opened(model).digest == model.name


def test_a_manifest_of_another_shape_is_refused(model: Path) -> None:
    assert refusal(sealed(model, manifest=b'{"kind": "model"}')).reason == "manifest"


def test_a_lost_field_is_refused_by_name(model: Path) -> None:
    refused = refusal(model, with_field("stops", lambda field: None))
    assert refused.reason == "contract"
    assert "'stops', which is gone" in str(refused)


def test_a_field_of_another_kind_is_refused_by_name(model: Path) -> None:
    refused = refusal(model, with_field("stops", lambda field: replace(field, kind="number")))
    assert refused.reason == "contract"
    assert "'stops', which is now number" in str(refused)


def test_a_lost_category_is_refused_by_name(model: Path) -> None:
    refused = refusal(model, with_field("courier", lambda field: replace(field, categories=("bike",))))
    assert refused.reason == "contract"
    assert "['van']" in str(refused)


def test_a_new_field_or_category_does_no_harm(model: Path) -> None:
    more = with_field("courier", lambda field: replace(field, categories=("drone", "van", "bike")))
    more = Fields((Field("colour", "boolean", optional=True), *more))
    columns = sample(FIELDS, 50, seed=5)
    before, after = (opened(model, fields).runtime.score(columns) for fields in (FIELDS, more))
    np.testing.assert_array_equal(before, after)


def test_a_model_that_answers_otherwise_than_at_its_making_is_refused(model: Path) -> None:
    probe = json.loads((model / "probe.json").read_text())
    probe["scores"][0] += 0.001
    refused = refusal(sealed(model, probe=json.dumps(probe).encode()))
    assert refused.reason == "probe"
    assert "differ by 0.001" in str(refused)


def test_a_probe_that_cannot_be_read_is_refused(model: Path) -> None:
    assert refusal(sealed(model, probe=b"[]")).reason == "probe"


def test_a_model_that_onnx_cannot_load_is_refused(model: Path) -> None:
    (model / "model.onnx").write_bytes(b"not a model")
    assert refusal(sealed(model)).reason == "runtime"


def test_a_baseline_answers_with_the_code_of_today(baseline: Path) -> None:
    columns = sample(FIELDS, 50, seed=5)
    np.testing.assert_array_equal(opened(baseline).runtime.score(columns), heaviest_first(columns))


def test_a_baseline_whose_code_was_changed_is_refused(baseline: Path) -> None:
    with pytest.raises(BundleRefused, match="register it anew") as refused:
        open_bundle(baseline, FIELDS, lambda columns: heaviest_first(columns) * 0.9)
    assert refused.value.reason == "probe"


def test_a_baseline_that_fails_is_refused(baseline: Path) -> None:
    with pytest.raises(BundleRefused, match="colour") as refused:
        open_bundle(baseline, FIELDS, lambda columns: columns["colour"])
    assert refused.value.reason == "probe"
