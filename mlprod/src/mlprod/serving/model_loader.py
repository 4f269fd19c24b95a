"""Model in service: follows MODEL_DIR, swaps in one assignment, and keeps the last valid model."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.loader import TRIALS, Bundle, BundleError, open_bundle
from ..bundle.manifest import PROVENANCE
from ..bundle.model_dir import (
    CHAMPION_FILE,
    ROLLBACK_FILE,
    VERSIONS,
    LocalRollback,
    ModelRef,
    Pointer,
    read_pointer,
    read_rollback,
)
from ..bundle.runtime import Scores
from ..bundle.trial import Trials
from ..contract.schema import Columns, Fields
from .feature_metrics import LiveFeatureCounts
from .logs import log
from .metrics import Metrics
from .problems import ProblemError

CHECK_SECONDS = 0.25
RETRY_SECONDS = 5.0  # until a refused bundle is read again, because it may have been repaired


@dataclass(frozen=True)
class LoadedModel:
    """A verified bundle with its version number of the registry."""

    version: str
    bundle: Bundle
    counts: LiveFeatureCounts

    def description(self) -> dict[str, Any]:
        """Return the facts of this model for /v1/model."""
        shown = {"kind", "task", "runtime", "threshold", "accountable", "data", "metrics", "inputs"}
        if self.bundle.classes:
            shown |= {"classes"}
        manifest = self.bundle.manifest.model_dump(mode="json", include=shown)
        return {"model_version": self.version, "bundle": self.bundle.digest, **manifest}


class ModelLoader:
    """Loads the models of MODEL_DIR. `current` is the model in service.

    Each request reads `current` once, so a swap never mixes two models in one answer.
    """

    def __init__(
        self,
        folder: Path,
        fields: Fields,
        baseline: Callable[[Columns], Scores],
        metrics: Metrics,
        allow_pickle: bool,
        megabytes: int = MODEL_MEGABYTES,
        trials: Trials = TRIALS,
    ) -> None:
        self.folder, self.fields, self.baseline = folder, fields, baseline
        self.metrics, self.allow_pickle = metrics, allow_pickle
        self.megabytes, self.trials = megabytes, trials
        self.current: LoadedModel | None = None
        self.refusal: dict[str, str] | None = None
        # active rollback of this machine, from a time without the registry
        self.rollback: LocalRollback | None = None
        self._done: tuple[Pointer, LocalRollback | None] | None = None
        self._retry_at = 0.0

    def reload_if_changed(self) -> None:
        """Load the model of the pointer, or of an active local rollback, if it is not in service.

        A refused model never serves. The model before stays in service; after a restart it is the
        newest predecessor that passes verification. A champion that a local rollback has left does
        not serve either.
        """
        pointer = self._read()
        if pointer is None:
            return
        rollback = self._read_rollback(pointer)
        if (pointer, rollback) == self._done or (
            self.refusal and time.monotonic() < self._retry_at
        ):
            return
        wanted, others = (
            (rollback.to, pointer.predecessors()) if rollback else (pointer, list(pointer.previous))
        )
        if self._load(wanted):
            self._done, self.refusal = (pointer, rollback), None
            self._log_rollback(rollback)
            return
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if self.current is None or (
            rollback and self.current.version == str(rollback.left.version)
        ):
            refusal = self.refusal
            any(self._load(named) for named in others)
            self.refusal = refusal

    def get_or_503(self) -> LoadedModel:
        """Return the model in service. Raises ProblemError if no model is loaded."""
        if self.current is None:
            refused, reason = self.refusal, ""
            if refused:
                reason = f"; version {refused['version']} was refused: {refused['detail']}"
            raise ProblemError(
                503,
                f"no model is loaded yet{reason}; promote a model, and the service loads it within "
                "seconds",
                retry_after=2,
            )
        return self.current

    def watch(self, stop: threading.Event) -> None:
        """Check MODEL_DIR until `stop` is set; an error leaves the model in service."""
        while not stop.wait(CHECK_SECONDS):
            try:
                self.reload_if_changed()
            except Exception:
                # this thread must live, because a rollback reaches the service only through it
                log.exception("the check for new models failed")

    def _read(self) -> Pointer | None:
        try:
            return read_pointer(self.folder)
        except (OSError, ValidationError) as error:
            self._refuse("?", "pointer", f"{self.folder / CHAMPION_FILE} cannot be read: {error}")
            return None

    def _read_rollback(self, pointer: Pointer) -> LocalRollback | None:
        """Return the local rollback if it is still active.

        If the file cannot be read, the rollback stays as it was read before.
        """
        try:
            rollback = read_rollback(self.folder)
        except (OSError, ValidationError) as error:
            self._refuse("?", "pointer", f"{self.folder / ROLLBACK_FILE} cannot be read: {error}")
            rollback = self.rollback
        return rollback if rollback and rollback.applies(pointer) else None

    def _log_rollback(self, rollback: LocalRollback | None) -> None:
        """Log that a local rollback becomes active, or ends."""
        if rollback != self.rollback:
            facts = (
                rollback.model_dump()
                if rollback
                else {"answers": self.current and self.current.version}
            )
            log.warning(
                "a local rollback " + ("is active" if rollback else "ended"), extra={"facts": facts}
            )
        self.rollback = rollback
        self.metrics.rollback_unsaved.set(bool(rollback))

    def _load(self, named: ModelRef) -> bool:
        folder, version = self.folder / VERSIONS / named.digest, str(named.version)
        if self.current and (self.current.version, self.current.bundle.digest) == (
            version,
            named.digest,
        ):
            return True
        try:
            bundle = open_bundle(
                folder,
                self.fields,
                self.baseline,
                allow_pickle=self.allow_pickle,
                megabytes=self.megabytes,
                trials=self.trials,
            )
        except BundleError as error:
            self._refuse(version, error.reason, str(error))
            return False
        except OSError as error:
            self._refuse(version, "unreadable", str(error))
            return False
        if bundle.decide is None:
            log.warning(
                f"the bundle of version {version} carries no code, so baseline() and decide() are "
                "those of this image; a version that is trained now carries its own"
            )
        counts = self.metrics.features.counts_of(bundle)
        self.current = LoadedModel(version, bundle, counts)
        commit, times = _commit_and_times(folder, bundle)
        self.metrics.show_model(version, commit, counts.reference, bundle.manifest, times)
        log.info(
            f"model version {version} is in service", extra={"facts": {"bundle": bundle.digest}}
        )
        return True

    def _refuse(self, version: str, reason: str, detail: str) -> None:
        refusal = {"version": version, "reason": reason, "detail": detail}
        if refusal != self.refusal:
            self.metrics.load_failures.labels(reason).inc()
            log.error(
                f"model version {version} refused",
                extra={"facts": {"reason": reason, "detail": detail}},
            )
        self.refusal = refusal


def _commit_and_times(folder: Path, bundle: Bundle) -> tuple[str, dict[str, float]]:
    """Return the commit of a bundle, and the times of its training and newest row, where known."""
    try:
        provenance = json.loads((folder / PROVENANCE).read_text())
        commit, trained = str(provenance.get("commit", "")), str(provenance.get("created_at", ""))
    except (OSError, ValueError, AttributeError):
        commit, trained = "", ""
    if bundle.manifest.kind == "baseline":
        return commit, {}  # a baseline does not age
    seconds = {
        "trained": _seconds(trained),
        "data_until": _seconds(bundle.manifest.data.until or ""),
    }
    return commit, {name: value for name, value in seconds.items() if value is not None}


def _seconds(text: str) -> float | None:
    """Return a time as seconds since 1970. A time without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
