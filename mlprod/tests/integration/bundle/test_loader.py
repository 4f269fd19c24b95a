import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Trained, sealed
from onnx_models import endless, foreign_models, hungry, reading_models
from seams import PARCELS, heaviest_first

from mlprod.bundle import trial
from mlprod.bundle.loader import Bundle, BundleError, open_bundle
from mlprod.contract.encoding import sample_columns
from mlprod.contract.schema import Field, Fields

FIELDS = PARCELS.fields


def opened(folder: Path, fields: Fields = FIELDS) -> Bundle:
    return open_bundle(folder, fields, heaviest_first)


def refusal(folder: Path, fields: Fields = FIELDS) -> BundleError:
    with pytest.raises(BundleError) as refused:
        opened(folder, fields)
    return refused.value


def with_field(name: str, change: Callable[[Field], Field | None]) -> Fields:
    changed = [change(field) if field.name == name else field for field in FIELDS]
    return Fields(tuple(field for field in changed if field))


def test_a_bundle_has_the_metrics_of_its_training_and_scores_rows(
    model: Path, trained: Trained
) -> None:
    bundle = opened(model)
    assert (bundle.digest, bundle.manifest.kind) == (model.name, "model")
    assert bundle.manifest.metrics == trained.result.evaluation.overall()
    scores = bundle.runtime.score(sample_columns(FIELDS, 100, seed=9))
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 10


def test_a_bundle_under_another_name_is_opened_by_its_digest(model: Path) -> None:
    moved = model.rename(model.with_name("champion"))
    assert open_bundle(moved, FIELDS, heaviest_first, digest=model.name).digest == model.name
    assert refusal(moved).reason == "digest"


@pytest.mark.parametrize(
    "name", ["card.md", "manifest.json", "model.onnx", "probe.json", "reference.json"]
)
def test_any_changed_byte_is_refused(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    assert refusal(model).reason == "digest"


@pytest.mark.parametrize(
    "name", ["card.md", "manifest.json", "model.onnx", "probe.json", "reference.json"]
)
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


def test_provenance_does_not_change_the_digest(model: Path) -> None:
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
    refused = refusal(
        model, with_field("courier", lambda field: replace(field, categories=("bike",)))
    )
    assert refused.reason == "contract"
    assert "['van']" in str(refused)


def test_a_new_field_or_category_does_not_change_the_scores(model: Path) -> None:
    more = with_field("courier", lambda field: replace(field, categories=("drone", "van", "bike")))
    more = Fields((Field("color", "boolean", optional=True), *more))
    columns = sample_columns(FIELDS, 50, seed=5)
    before, after = (opened(model, fields).runtime.score(columns) for fields in (FIELDS, more))
    np.testing.assert_array_equal(before, after)


def test_a_model_with_other_scores_than_at_training_is_refused(model: Path) -> None:
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


@pytest.mark.parametrize("place", ["initializer", "body of Loop", "function"])
def test_a_sealed_bundle_whose_model_reads_a_file_is_refused(model: Path, place: str) -> None:
    assert refusal(sealed(model, reading_models()[place].SerializeToString())).reason == "unsafe"


@pytest.mark.parametrize("place", foreign_models())
def test_a_sealed_bundle_whose_model_needs_foreign_operators_is_refused(
    model: Path, place: str
) -> None:
    assert refusal(sealed(model, foreign_models()[place].SerializeToString())).reason == "unsafe"


def test_a_sealed_bundle_whose_model_never_ends_is_refused_in_time(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    refused = refusal(sealed(model, endless()))
    assert (refused.reason, "does it ever end?" in str(refused)) == ("probe", True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_a_sealed_bundle_whose_model_fills_memory_is_refused(model: Path) -> None:
    refused = refusal(sealed(model, hungry(2_000)))
    assert (refused.reason, "128 MB" in str(refused)) == ("size", True)


def test_a_bundle_with_more_bytes_than_the_limit_is_refused_before_it_is_read(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (model / "model.onnx").open("ab") as file:
        file.truncate(129_000_000)  # takes no room on the disk
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    refused = refusal(model)
    assert (refused.reason, "129 MB; the limit is 128 MB" in str(refused)) == ("size", True)


def test_the_size_of_the_provenance_counts_too(model: Path) -> None:
    with (model / "provenance.json").open("ab") as file:
        file.truncate(129_000_000)
    assert refusal(model).reason == "size"


def test_a_lower_limit_of_size_applies(model: Path) -> None:
    with pytest.raises(BundleError, match="limit is 1 MB") as refused:
        open_bundle(model, FIELDS, heaviest_first, megabytes=1)
    assert refused.value.reason == "size"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import os", "decision.py:1 imports os"),
        ("from .contract import Row", "imports .contract"),
        ("raise OSError('no disk')", "no disk"),
        ("def decide(:", "invalid syntax"),
        ("def decide(score, threshold): return 1", "has no function baseline()"),
        ("# \ud800", "UnicodeDecodeError"),
        ("x = " + "-" * 100_000 + "1", "not loaded"),
    ],
)
def test_code_that_may_not_be_loaded_is_refused(model: Path, source: str, part: str) -> None:
    (model / "code").mkdir()
    (model / "code" / "decision.py").write_text(f"{source}\n", errors="surrogatepass")
    refused = refusal(sealed(model))
    assert refused.reason == "code"
    assert part in str(refused)


@pytest.mark.parametrize("name", ["reference.json", "provenance.json"])
def test_a_link_or_a_pipe_in_the_folder_is_refused_and_not_opened(model: Path, name: str) -> None:
    (model / name).unlink()
    os.mkfifo(model / name)
    assert refusal(model).reason == "digest"
    (model / name).unlink()
    (model / name).symlink_to("/dev/zero")
    assert refusal(model).reason == "digest"


def test_a_baseline_scores_with_the_current_code(baseline: Path) -> None:
    columns = sample_columns(FIELDS, 50, seed=5)
    np.testing.assert_array_equal(opened(baseline).runtime.score(columns), heaviest_first(columns))


def test_a_baseline_whose_code_was_changed_is_refused(baseline: Path) -> None:
    with pytest.raises(BundleError, match="register it again") as refused:
        open_bundle(baseline, FIELDS, lambda columns: heaviest_first(columns) * 0.9)
    assert refused.value.reason == "probe"


def test_a_baseline_that_fails_is_refused(baseline: Path) -> None:
    with pytest.raises(BundleError, match="color") as refused:
        open_bundle(baseline, FIELDS, lambda columns: columns["color"])
    assert refused.value.reason == "probe"
