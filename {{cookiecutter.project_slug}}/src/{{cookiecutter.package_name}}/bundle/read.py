"""A bundle is trusted only after its files, its contract and its answers have been checked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..contract.encoding import RowEncoder, column, columns_of
from ..contract.terms import Columns, Fields
from .manifest import MANIFEST, PROVENANCE, Manifest, bundle_digest, sha256
from .reference import Reference
from .runtime import BaselineRuntime, OnnxRuntime, PythonRuntime, Runtime, Scores

PROBE_TOLERANCE = 1e-5  # of a score of about one; CPUs differ in the last bits of a float32
Reason = Literal["digest", "manifest", "contract", "pickle", "runtime", "probe"]


class BundleRefused(Exception):
    """This bundle must not answer. `reason` is a short word for metrics, the message is for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Bundle:
    """A bundle that was verified and can score."""

    digest: str
    manifest: Manifest
    reference: Reference
    runtime: Runtime

    @cached_property
    def fields(self) -> Fields:
        """The fields that the model needs, with the categories that it knows."""
        return self.manifest.fields

    @cached_property
    def encoder(self) -> RowEncoder:
        return RowEncoder(self.fields)

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float32], Scores]:
        """The encoded matrix [rows, fields] and the scores [rows] of rows that hold every field, None for missing."""
        matrix = self.encoder(rows)
        if isinstance(self.runtime, OnnxRuntime):
            return matrix, self.runtime.run(matrix)
        return matrix, self.runtime.score(columns_of(self.fields, rows))


def open_bundle(
    folder: Path,
    fields: Fields,
    baseline: Callable[[Columns], Scores],
    *,
    digest: str | None = None,
    allow_pickle: bool = False,
) -> Bundle:
    """Read, verify and load the bundle in `folder`; `digest` is the one asked for, by default the folder's name.

    Raises BundleRefused when a file is missing, added or changed, when today's contract no longer provides what the
    model needs, or when the model does not answer as it did where it was made.
    """
    content = _verified_files(folder, digest or folder.name)
    try:
        manifest = Manifest.model_validate_json(content[MANIFEST])
        reference = Reference.model_validate_json(content["reference.json"])
    except (KeyError, ValidationError) as error:
        raise BundleRefused("manifest", f"{folder.name}: manifest or reference cannot be read: {error}") from error
    if strangers := set(content) - {MANIFEST} ^ set(manifest.files):
        raise BundleRefused("digest", f"{folder.name}: files and manifest disagree on {sorted(strangers)}")
    if changed := [name for name, known in manifest.files.items() if sha256(content[name]) != known]:
        raise BundleRefused("digest", f"{folder.name}: not the bytes of the manifest: {changed}")
    _fit(manifest, fields)
    runtime = _runtime(manifest, content, baseline, allow_pickle)
    _probe(manifest, content, runtime)
    return Bundle(bundle_digest(content), manifest, reference, runtime)


def _verified_files(folder: Path, digest: str) -> dict[str, bytes]:
    if not folder.is_dir():
        raise BundleRefused("digest", f"no bundle at {folder}")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != PROVENANCE]
    content = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    if (found := bundle_digest(content)) != digest:
        raise BundleRefused(
            "digest", f"bundle {digest[:12]} has the digest {found[:12]}: it was changed or is incomplete"
        )
    return content


def _fit(manifest: Manifest, fields: Fields) -> None:
    """Does today's contract provide every field and category that the bundle needs? New ones do no harm."""
    provided = {field.name: field for field in fields}
    for item in manifest.inputs:
        field = provided.get(item.name)
        if field is None or field.kind != item.kind:
            now = "is gone" if field is None else f"is now {field.kind}"
            raise BundleRefused(
                "contract", f"the model needs the {item.kind} field {item.name!r}, which {now}; train a new one"
            )
        if field.optional and not item.optional:
            raise BundleRefused("contract", f"{item.name!r} may be missing now, which the model never saw")
        if gone := set(item.categories) - set(field.categories):
            raise BundleRefused(
                "contract", f"field {item.name!r}: the model needs the categories {sorted(gone)}, which are gone"
            )


def _runtime(
    manifest: Manifest, content: dict[str, bytes], baseline: Callable[[Columns], Scores], allow_pickle: bool
) -> Runtime:
    if manifest.kind == "baseline":
        return BaselineRuntime(baseline)
    if manifest.runtime == "python" and not allow_pickle:
        raise BundleRefused(
            "pickle", "this bundle holds a pickle, which can run any code; set ML_ALLOW_PICKLE=true to accept it"
        )
    try:
        if manifest.runtime == "python":
            return PythonRuntime(content["model/model.pkl"])
        return OnnxRuntime(content["model.onnx"], manifest.fields)
    except Exception as error:
        raise BundleRefused("runtime", f"the model cannot be loaded: {error}") from error


def _probe(manifest: Manifest, content: dict[str, bytes], runtime: Runtime) -> None:
    try:
        recorded = json.loads(content["probe.json"])
        scores = runtime.score(
            {field.name: column(field, recorded["columns"][field.name]) for field in manifest.fields}
        )
        expected = np.array(recorded["scores"])
        difference = float(np.max(np.abs(scores - expected) / np.maximum(1, np.abs(expected))))
    except Exception as error:
        raise BundleRefused("probe", f"the model does not answer its own probe: {error}") from error
    if not difference <= PROBE_TOLERANCE:
        cause = (
            "baseline() was changed since: register it anew" if manifest.kind == "baseline" else "other code or machine"
        )
        raise BundleRefused("probe", f"scores differ by {difference:.2g} from those recorded at training ({cause})")
