"""Write a bundle completely or not at all, into a folder whose name is its digest."""

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..contract.encoding import sample_columns
from ..contract.schema import Fields
from .files import bundle_digest, require_name, sha256
from .manifest import FORMAT, MANIFEST, Manifest
from .runtime import Runtime

PROBE_ROWS = 16


def write_bundle(root: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Write `files` and their manifest below `root`; return the folder of the bundle.

    The folder's name is the bundle's digest. Raises BundleFilesError if a file's name is not valid,
    and ValidationError if the manifest is not.
    """
    content = dict(files)
    for name in content:
        require_name(name)
    named = {name: sha256(data) for name, data in sorted(files.items())}
    facts = Manifest.model_validate({"format": FORMAT, **manifest, "files": named}, extra="forbid")
    unused = None if facts.classes else {"classes"}
    content[MANIFEST] = canonical(facts.model_dump(mode="json", exclude=unused))
    target = root / bundle_digest(content)
    if target.exists():
        return target
    root.mkdir(parents=True, exist_ok=True)
    draft = root / f".writing-{secrets.token_hex(8)}"
    # The umask decides who can read it.
    draft.mkdir()
    try:
        for name, data in content.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        draft.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def make_probe(fields: Fields, runtime: Runtime) -> bytes:
    """Return random rows with their scores on this machine; a loader must get the same scores."""
    scores = runtime.score(sample_columns(fields, PROBE_ROWS, seed=1)).tolist()
    return canonical({"columns": probe_columns(fields), "scores": [_rounded(s) for s in scores]})


def _rounded(score: Any) -> Any:
    """Round a score, or the probabilities of a row."""
    return [_rounded(item) for item in score] if isinstance(score, list) else round(float(score), 9)


def probe_columns(fields: Fields) -> dict[str, list[Any]]:
    """Return the rows of a probe as JSON values: None for missing."""
    columns = sample_columns(fields, PROBE_ROWS, seed=1)
    return {
        name: [None if _is_missing(value) else value for value in values.tolist()]
        for name, values in columns.items()
    }


def canonical(value: Any) -> bytes:
    """Return JSON in a canonical form: sorted keys, UTF-8, no NaN."""
    return (
        json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))
