"""Load a bundle after the checks of its files, its contract and its scores."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..contract.classes import Classes, Decide
from ..contract.encoding import RowEncoder, column, columns_of
from ..contract.model_inputs import ModelInputs
from ..contract.schema import Columns, Fields
from .code import CODE_FOLDER, BundledCode
from .code_rules import code_violations
from .errors import BundleError as BundleError
from .errors import BundleFilesError, UnsafeModelError
from .files import bundle_digest, bundle_files, folder_bytes, sha256
from .limits import MEGABYTE, MODEL_MEGABYTES
from .manifest import MANIFEST, FormatError, Manifest, read_manifest
from .reference_profile import Reference
from .runtime import MODEL_FILES, BaselineRuntime, OnnxRuntime, PythonRuntime, Runtime, Scores
from .trial import SMALLER_MODEL, ExportedModel, Trials

# The trials of this process.
TRIALS = Trials()
# For a score of about one. CPUs differ in the last bits of a float32.
PROBE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Bundle:
    """A bundle that passed all checks and can score rows."""

    digest: str
    manifest: Manifest
    reference: Reference
    runtime: Runtime
    # decide() of the bundle's own code; None if it carries none.
    decide: Decide | None = None

    @cached_property
    def fields(self) -> Fields:
        """The fields that the model needs, with the categories of its training."""
        return self.manifest.fields

    @cached_property
    def encoder(self) -> RowEncoder:
        """The encoder of rows for the model."""
        return RowEncoder(self.fields)

    @property
    def classes(self) -> Classes:
        """The classes in the order of the scores; empty unless the task is multiclass."""
        return self.manifest.classes

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float32], Scores]:
        """Return the encoded matrix [rows, fields] and the scores [rows], or [rows, classes].

        Each row holds every field, None for missing.
        """
        matrix = self.encoder(rows)
        if isinstance(self.runtime, OnnxRuntime) and self.runtime.inputs.derive is None:
            return matrix, self.runtime.run(matrix)
        return matrix, self.runtime.score(columns_of(self.fields, rows))


def open_bundle(
    folder: Path,
    fields: Fields,
    baseline: Callable[[Columns], Scores],
    *,
    digest: str | None = None,
    allow_pickle: bool = False,
    megabytes: int = MODEL_MEGABYTES,
    trials: Trials = TRIALS,
) -> Bundle:
    """Read, verify and load the bundle in `folder`.

    `baseline` is that of the project today, for a baseline without code of its own. `digest` is the
    expected one, by default the folder's name. `megabytes` limits both its files and its memory.
    `trials` stores which models passed before.

    Raises BundleError if
    - the bundle is larger than the limit, or a file is missing, added or changed,
    - the current contract no longer provides the fields or categories of the model,
    - its code does what the code of a bundle may not do, or cannot be imported,
    - the model reads files, does not end, or gives other scores than at its training.
    """
    content = _verified_files(folder, digest or folder.name, megabytes)
    try:
        manifest = read_manifest(content[MANIFEST])
        reference = Reference.model_validate_json(content["reference.json"])
    except FormatError as error:
        raise BundleError("manifest", f"{folder.name}: {error}") from error
    except (KeyError, ValidationError) as error:
        raise BundleError(
            "manifest", f"{folder.name}: manifest or reference cannot be read: {error}"
        ) from error
    if strangers := set(content) - {MANIFEST} ^ set(manifest.files):
        raise BundleError(
            "digest", f"{folder.name}: files and manifest differ in {sorted(strangers)}"
        )
    if changed := [
        name for name, known in manifest.files.items() if sha256(content[name]) != known
    ]:
        raise BundleError(
            "digest", f"{folder.name}: these files differ from their digests: {changed}"
        )
    _require_inputs(manifest, fields)
    code = _code(manifest, content)
    if manifest.kind == "model":
        if manifest.runtime == "python" and not allow_pickle:
            raise BundleError(
                "pickle",
                "the bundle holds a pickle, which can run any code; works: "
                "ML_ALLOW_PICKLE=true accepts it",
            )
        _try_elsewhere(manifest, content, code, megabytes, trials)
    _require_classes(manifest)
    decision = _decision(code)
    runtime = _runtime(manifest, content, code, decision.baseline if decision else baseline)
    _probe(manifest, content, runtime)
    decide = decision.decide if decision else None
    return Bundle(bundle_digest(content), manifest, reference, runtime, decide)


def _verified_files(folder: Path, digest: str, megabytes: int) -> dict[str, bytes]:
    if not folder.is_dir():
        raise BundleError("digest", f"no bundle at {folder}")
    require_size(folder, megabytes)
    try:
        content = {name: path.read_bytes() for name, path in bundle_files(folder).items()}
    except BundleFilesError as error:
        raise BundleError("digest", f"bundle {digest[:12]}: {error}") from error
    if (result := bundle_digest(content)) != digest:
        raise BundleError(
            "digest",
            f"bundle {digest[:12]} has the digest {result[:12]}: it was changed or is incomplete",
        )
    return content


def require_size(folder: Path, megabytes: int) -> None:
    """Raises BundleError if the files are larger than the limit. It reads no contents."""
    if (size := folder_bytes(folder)) > megabytes * MEGABYTE:
        raise BundleError(
            "size",
            f"the bundle's files have {size / MEGABYTE:,.0f} MB; the limit is {megabytes} MB. "
            f"{SMALLER_MODEL}",
        )


def _require_inputs(manifest: Manifest, fields: Fields) -> None:
    """Raises BundleError if the current contract misses a field or category of the bundle.

    New fields and categories are allowed.
    """
    provided = {field.name: field for field in fields}
    for item in manifest.inputs:
        field = provided.get(item.name)
        if field is None or field.kind != item.kind:
            now = "is gone" if field is None else f"is now {field.kind}"
            raise BundleError(
                "contract",
                f"the model needs the {item.kind} field {item.name!r}, which {now}; works: train "
                f"a new model",
            )
        if field.optional and not item.optional:
            raise BundleError(
                "contract",
                f"field {item.name!r} may be missing now, but the model was trained without "
                f"missing values",
            )
        if gone := set(item.categories) - set(field.categories):
            raise BundleError(
                "contract",
                f"field {item.name!r}: the model needs the categories {sorted(gone)}, "
                f"which are gone; works: train a new model",
            )


def _require_classes(manifest: Manifest) -> None:
    """Raises BundleError unless a bundle has classes if, and only if, its task needs them."""
    if (manifest.task == "multiclass") != bool(manifest.classes):
        raise BundleError(
            "manifest",
            f"the bundle has the task {manifest.task} and {len(manifest.classes)} classes; works: "
            "train a new model",
        )


def _code(manifest: Manifest, content: Mapping[str, bytes]) -> BundledCode | None:
    """Return the code of the bundle, or None if it carries none.

    Raises BundleError if the code does what the code of a bundle may not do.
    """
    files = {name: data for name, data in content.items() if name.startswith(CODE_FOLDER)}
    sources = dict[str, str]()
    try:
        for name, data in files.items():
            sources[name.removeprefix(CODE_FOLDER).removesuffix(".py")] = data.decode()
        any_import = manifest.kind == "model" and manifest.runtime == "python"
        violation = next(code_violations(sources, manifest.package, any_import=any_import), "")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        violation = f"{error!r}"
    if violation:
        raise BundleError("code", f"the bundle's code is not loaded: {violation}")
    return BundledCode(manifest.package, sources) if sources else None


def _decision(code: BundledCode | None) -> ModuleType | None:
    """Return the bundle's own decision.py, or None if it carries no code.

    Raises BundleError if it cannot be imported, or has not both functions.
    """
    if code is None:
        return None
    try:
        decision = code.module("decision")
    except Exception as error:
        raise BundleError(
            "code", f"the bundle's decision.py cannot be imported: {error!r}"
        ) from error
    for name in ("baseline", "decide"):
        if not callable(getattr(decision, name, None)):
            raise BundleError("code", f"the bundle's decision.py has no function {name}()")
    return decision


def _try_elsewhere(
    manifest: Manifest,
    content: Mapping[str, bytes],
    code: BundledCode | None,
    megabytes: int,
    trials: Trials,
) -> None:
    """Load the model and score its probe in another process first.

    There it can neither use all memory nor run without end.
    """
    try:
        model = content[MODEL_FILES[manifest.runtime]]
        recorded = json.loads(content["probe.json"])["columns"]
        columns = {field.name: list(recorded[field.name]) for field in manifest.fields}
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            "probe", f"the model's file or its probe cannot be read: {error!r}"
        ) from error
    trials.run(ExportedModel(manifest.runtime, model, manifest.fields, columns, code), megabytes)


def _runtime(
    manifest: Manifest,
    content: Mapping[str, bytes],
    code: BundledCode | None,
    baseline: Callable[[Columns], Scores],
) -> Runtime:
    if manifest.kind == "baseline":
        return BaselineRuntime(baseline)
    try:
        model, derive = content[MODEL_FILES[manifest.runtime]], code.derive if code else None
        return (
            PythonRuntime(model, code, ModelInputs(manifest.fields, derive, texts=True))
            if manifest.runtime == "python"
            else OnnxRuntime(model, manifest.fields, derive, multiclass=bool(manifest.classes))
        )
    except UnsafeModelError as error:
        raise BundleError("unsafe", f"model.onnx is not loaded: {error}") from error
    except Exception as error:
        raise BundleError("runtime", f"the model cannot be loaded: {error}") from error


def _probe(manifest: Manifest, content: dict[str, bytes], runtime: Runtime) -> None:
    try:
        recorded = json.loads(content["probe.json"])
        scores = runtime.score(
            {
                field.name: column(field, recorded["columns"][field.name])
                for field in manifest.fields
            }
        )
        expected = np.array(recorded["scores"])
        # NaN for another number of scores, which the comparison below refuses.
        difference = (
            float(np.max(np.abs(scores - expected) / np.maximum(1, np.abs(expected))))
            if scores.shape == expected.shape
            else float("nan")
        )
    except Exception as error:
        raise BundleError("probe", f"the model cannot score its own probe: {error}") from error
    if not difference <= PROBE_TOLERANCE:
        cause = (
            "baseline() has changed since; works: register it again"
            if manifest.kind == "baseline"
            else "the code or the machine is another one"
        )
        raise BundleError(
            "probe", f"scores differ by {difference:.2g} from those recorded at training ({cause})"
        )
