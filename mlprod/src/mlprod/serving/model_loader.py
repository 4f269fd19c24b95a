"""The model that answers: follows MODEL_DIR, swaps in one assignment, and keeps the last good one."""

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
RETRY_SECONDS = 5.0  # until a refused bundle is looked at again: it may have been mended


@dataclass(frozen=True)
class LoadedModel:
    """A verified bundle under the number that the registry gave it."""

    version: str
    bundle: Bundle
    counts: LiveFeatureCounts

    def told(self) -> dict[str, Any]:
        """What /v1/model says of it."""
        shown = {"kind", "task", "runtime", "threshold", "accountable", "data", "metrics", "inputs"}
        manifest = self.bundle.manifest.model_dump(mode="json", include=shown)
        return {"model_version": self.version, "bundle": self.bundle.digest, **manifest}


class ModelLoader:
    """`current` answers; it is read once for each request, so a swap never mixes two models in one
    answer.
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
        self.rollback: LocalRollback | None = None  # made here while the registry was away
        self._done: tuple[Pointer, LocalRollback | None] | None = None
        self._retry_at = 0.0

    def look(self) -> None:
        """Load what the pointer names if that is not what answers; with a rollback made here, what
        that names.

        What is refused never answers: the one before goes on, after a restart the newest
        predecessor that verifies. Nor does a champion that a rollback made here has left.
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
            self._told_of(rollback)
            return
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if self.current is None or (
            rollback and self.current.version == str(rollback.left.version)
        ):
            refusal = self.refusal
            any(self._load(named) for named in others)
            self.refusal = refusal

    def required(self) -> LoadedModel:
        """What answers. Raises ProblemError while nothing does."""
        if self.current is None:
            refused, why = self.refusal, ""
            if refused:
                why = f"; version {refused['version']} was refused: {refused['detail']}"
            raise ProblemError(
                503,
                f"no model answers yet{why}; promote one and it arrives by itself, within seconds",
                retry_after=2,
            )
        return self.current

    def watch(self, stop: threading.Event) -> None:
        """Look until told to stop; whatever lies in MODEL_DIR, what answers goes on answering."""
        while not stop.wait(CHECK_SECONDS):
            try:
                self.look()
            except Exception:  # the only way by which a rollback arrives must not end
                log.exception("looking for models failed")

    def _read(self) -> Pointer | None:
        try:
            return read_pointer(self.folder)
        except (OSError, ValidationError) as error:
            self._refuse("?", "pointer", f"{self.folder / CHAMPION_FILE} cannot be read: {error}")
            return None

    def _read_rollback(self, pointer: Pointer) -> LocalRollback | None:
        """A rollback made here that still holds.

        One that cannot be read holds as it was read before.
        """
        try:
            rollback = read_rollback(self.folder)
        except (OSError, ValidationError) as error:
            self._refuse("?", "pointer", f"{self.folder / ROLLBACK_FILE} cannot be read: {error}")
            rollback = self.rollback
        return rollback if rollback and rollback.applies(pointer) else None

    def _told_of(self, rollback: LocalRollback | None) -> None:
        """Log that a rollback made here begins to hold, or ends."""
        if rollback != self.rollback:
            facts = (
                rollback.model_dump()
                if rollback
                else {"answers": self.current and self.current.version}
            )
            log.warning(
                "a rollback made here " + ("holds" if rollback else "ended"), extra={"facts": facts}
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
        counts = self.metrics.fields.of(bundle)
        self.current = LoadedModel(version, bundle, counts)
        commit, times = _made(folder, bundle)
        self.metrics.answering(version, commit, counts.reference, bundle.manifest, times)
        log.info(f"model version {version} answers", extra={"facts": {"bundle": bundle.digest}})
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


def _made(folder: Path, bundle: Bundle) -> tuple[str, dict[str, float]]:
    """The commit that a bundle is of, and when a model was trained and its newest row was, where
    that is known.
    """
    try:
        message = json.loads((folder / PROVENANCE).read_text())
        commit, trained = str(message.get("commit", "")), str(message.get("created_at", ""))
    except (OSError, ValueError, AttributeError):
        commit, trained = "", ""
    if bundle.manifest.kind == "baseline":
        return commit, {}  # which does not age
    seconds = {
        "trained": _seconds(trained),
        "data_until": _seconds(bundle.manifest.data.until or ""),
    }
    return commit, {name: value for name, value in seconds.items() if value is not None}


def _seconds(message: str) -> float | None:
    """A time as seconds since 1970; UTC, where it does not say."""
    try:
        time = datetime.fromisoformat(message)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
