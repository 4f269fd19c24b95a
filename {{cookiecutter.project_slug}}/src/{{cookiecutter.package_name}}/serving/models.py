"""The model that answers: follows MODEL_DIR, swaps in one assignment, and keeps the last good one."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..bundle.manifest import PROVENANCE
from ..bundle.read import Bundle, BundleRefused, open_bundle
from ..bundle.runtime import Scores
from ..contract.terms import Columns, Fields
from .metrics import Metrics

CHECK_SECONDS = 0.25
Pointer = dict[str, Any]


@dataclass(frozen=True)
class Serving:
    """A verified bundle under the number that the registry gave it."""

    version: str
    bundle: Bundle


class Models:
    """`current` answers; it is read once for each request, so a swap never mixes two models in one answer."""

    def __init__(
        self, folder: Path, fields: Fields, baseline: Callable[[Columns], Scores], metrics: Metrics, allow_pickle: bool
    ) -> None:
        self.folder, self.fields, self.baseline = folder, fields, baseline
        self.metrics, self.allow_pickle = metrics, allow_pickle
        self.current: Serving | None = None
        self.refusal: dict[str, str] | None = None
        self._seen: Pointer | None = None

    def look(self) -> None:
        """Load what the pointer names if it changed. What is refused is remembered and never answers."""
        pointer = self._read()
        if pointer is None or pointer == self._seen:
            return
        self._seen, self.refusal = pointer, None
        if not self._load(pointer) and self.current is None and pointer.get("previous"):
            self._load(pointer["previous"])

    def watch(self, stop: threading.Event) -> None:
        while not stop.wait(CHECK_SECONDS):
            try:
                self.look()
            except Exception as error:  # whatever lies in MODEL_DIR, what answers goes on answering and looking
                print(f"{self.folder} cannot be followed: {type(error).__name__}: {error}", flush=True)

    def _read(self) -> Pointer | None:
        try:
            found = json.loads((self.folder / "champion.json").read_text())
        except (OSError, ValueError):
            return None  # nothing there yet; what answers goes on answering
        return found if isinstance(found, dict) and "digest" in found else None

    def _load(self, pointer: Pointer) -> bool:
        folder, version = self.folder / "versions" / str(pointer["digest"]), str(pointer.get("version"))
        try:
            bundle = open_bundle(folder, self.fields, self.baseline, allow_pickle=self.allow_pickle)
        except BundleRefused as error:
            self.metrics.load_failures.labels(error.reason).inc()
            self.refusal = {"version": version, "reason": error.reason, "detail": str(error)}
            print(f"model version {version} refused ({error.reason}): {error}", flush=True)
            return False
        self.current = Serving(version, bundle)
        self.metrics.model.clear()
        self.metrics.model.labels(
            version, _commit(folder), bundle.manifest.digests["contract"][:12], bundle.manifest.accountable
        ).set(1)
        print(f"model version {version} answers, bundle {bundle.digest[:12]}", flush=True)
        return True


def _commit(folder: Path) -> str:
    try:
        return str(json.loads((folder / PROVENANCE).read_text()).get("commit", ""))
    except (OSError, ValueError):
        return ""
