"""The model registry: MLflow, embedded on SQLite, or a server that the environment names."""

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..bundle.files import folder_digest
from ..bundle.limits import MEGABYTE
from ..display.plain_text import display
from ..settings import Settings
from .history import EVENT_PREFIX, read_events
from .registered_version import ROLLED_BACK as ROLLED_BACK
from .registered_version import Version as Version
from .registered_version import version_of
from .registry_connection import BundleTooLargeError as BundleTooLargeError
from .registry_connection import RegistryConnection
from .registry_connection import RegistryError as RegistryError

CHAMPION, CHALLENGER = "champion", "challenger"
# The folder of the bundle in a run's artifacts.
BUNDLE_FOLDER = "bundle"
# The strictest is the last.
ENVIRONMENTS = ("local", "staging", "production")


class Registry(RegistryConnection):
    """Runs, versions and the two aliases of one model.

    Every method raises RegistryError if the registry does not respond.
    """

    @classmethod
    def open_existing(cls, settings: Settings) -> "Registry":
        """Open a registry without creating an embedded one.

        Raises RegistryError if it does not exist or does not respond.
        """
        if not settings.tracking_uri and not settings.database.exists():
            raise RegistryError(f"the registry {settings.database} does not exist")
        return cls(settings)

    def log_run(
        self,
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        artifacts: Mapping[str, bytes],
        bundle: Path | None,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """Record a training run, with its bundle unless it was refused, and return the run's id."""
        run: str = self._call("create_run", self.experiment, tags=dict(tags)).info.run_id
        for name, value in metrics.items():
            self._call("log_metric", run, name, value)
        for name, text in (settings or {}).items():
            self._call("log_param", run, name, text)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in artifacts.items():
                (Path(folder) / name).write_bytes(content)
            self._call("log_artifacts", run, folder)
        if bundle:
            self._call("log_artifacts", run, str(bundle), BUNDLE_FOLDER)
        self._call("set_terminated", run, "FINISHED" if bundle else "FAILED")
        return run

    def training_runs(self, newest: int) -> list[Any]:
        """Return MLflow's records of the newest training runs, newest first."""
        order = ["attributes.start_time DESC"]
        return list(
            self._call("search_runs", [self.experiment], max_results=newest, order_by=order)
        )

    def run_file(self, run: str, name: str) -> bytes:
        """Return a file that was logged with a run; empty if the run has none of that name."""
        if name not in {item.path for item in self._call("list_artifacts", run)}:
            return b""
        with tempfile.TemporaryDirectory() as folder:
            return Path(self._call("download_artifacts", run, name, folder)).read_bytes()

    def register(self, run: str, digest: str, tags: Mapping[str, str]) -> Version:
        """Register the bundle of a run as a version.

        Returns the existing version instead if it has the same bundle and still delivers it.
        """
        known = next((version for version in self.versions() if version.digest == digest), None)
        if known and self._delivers(known):
            for name, value in tags.items():
                self.tag(known.number, name, value)
            return self.version(known.number)
        try:
            self._call("create_registered_model", self.name)
        except RegistryError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._call(
            "create_model_version",
            self.name,
            f"runs:/{run}/{BUNDLE_FOLDER}",
            run_id=run,
            tags={**tags, "bundle": digest},
        )
        return self.version(int(made.version))

    def versions(self) -> list[Version]:
        """Return all versions, newest first."""
        result = [
            version_of(item) for item in self._call("search_model_versions", f"name='{self.name}'")
        ]
        return sorted(result, key=lambda version: -version.number)

    def version(self, number: int) -> Version:
        """Return a version. Raises RegistryError with the existing numbers if there is none."""
        try:
            return version_of(self._call("get_model_version", self.name, str(number)))
        except RegistryError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            known = [version.number for version in self.versions()]
            raise RegistryError(
                f"{self.name} has no version {number}; there are {known}", error.code
            ) from error

    def get_by_alias(self, alias: str) -> Version | None:
        """Return the version that an alias names, or None if nobody has set it."""
        try:
            return version_of(self._call("get_model_version_by_alias", self.name, alias))
        except RegistryError as error:
            if error.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def set_alias(self, alias: str, version: Version) -> None:
        """Move an alias to a version, in one call. The alias `champion` decides which serves."""
        self._call("set_registered_model_alias", self.name, alias, str(version.number))

    def tag(self, number: int, name: str, value: str) -> None:
        """Set a tag of a version."""
        self._call("set_model_version_tag", self.name, str(number), name, value)

    def drop_tag(self, number: int, name: str) -> None:
        """Delete a tag of a version."""
        self._call("delete_model_version_tag", self.name, str(number), name)

    def model_tags(self) -> dict[str, str]:
        """Return the tags of the model; none while nothing is registered."""
        try:
            return dict(self._call("get_registered_model", self.name).tags)
        except RegistryError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}

    def tag_model(self, name: str, value: str) -> None:
        """Set a tag of the model."""
        self._call("set_registered_model_tag", self.name, name, value)

    def drop_model_tag(self, name: str) -> None:
        """Delete a tag of the model."""
        self._call("delete_registered_model_tag", self.name, name)

    def environment(self) -> str:
        """Return the strictest environment that this registry has served."""
        result = self.model_tags().get("environment", "local")
        if result not in ENVIRONMENTS:
            raise RegistryError(
                display(
                    f"the tag environment of {self.name} is {result[:80]!r}; what works: "
                    f"{', '.join(ENVIRONMENTS)}"
                )
            )
        return result

    def mark_environment(self, environment: str) -> None:
        """Record the environment that this registry serves, once it has a version.

        The strictest environment so far remains.
        """
        if (
            ENVIRONMENTS.index(environment) > ENVIRONMENTS.index(self.environment())
            and self.versions()
        ):
            self.tag_model("environment", environment)

    def record(self, action: str, **facts: Any) -> None:
        """Append an event to the history of the model: who did what, when and why."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.tag_model(f"{EVENT_PREFIX}{at}", json.dumps({"action": action, "at": at, **facts}))

    def history(self) -> list[dict[str, Any]]:
        """Return the recorded events, oldest first, without tags that are not events."""
        return read_events(self.model_tags())[0]

    def save_tag_sets(self, kind: str, tags: Mapping[str, str]) -> None:
        """Store a tag set permanently, outside the training experiment."""
        run = self._call("create_run", self._experiment(kind), tags=dict(tags)).info.run_id
        self._call("set_terminated", run)

    def load_tag_sets(self, kind: str, newest: int) -> list[dict[str, str]]:
        """Return the newest stored tag sets, newest first."""
        order = ["attributes.start_time DESC"]
        result = self._call(
            "search_runs", [self._experiment(kind)], max_results=newest, order_by=order
        )
        return [dict(run.data.tags) for run in result]

    def download(self, version: Version, folder: Path) -> Path:
        """Download the bundle of a version into `folder`, and return its path.

        Raises BundleTooLargeError before the download if the bundle is too large.
        """
        if (size := self._bytes(version.run, BUNDLE_FOLDER)) > self.megabytes * MEGABYTE:
            raise BundleTooLargeError(
                f"the bundle of version {version.number} has {size / MEGABYTE:,.0f} MB of "
                f"files; the limit is {self.megabytes} MB (ML_MODEL_MEGABYTES)"
            )
        return self._fetch(f"runs:/{version.run}/{BUNDLE_FOLDER}", version, folder)

    def download_run(self, version: Version, folder: Path) -> Path:
        """Download everything that was logged with a version.

        The bundle is in a folder of that name, and the plots are beside it.
        """
        return self._fetch(f"runs:/{version.run}/", version, folder)

    def _delivers(self, version: Version) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            try:
                return folder_digest(self.download(version, Path(folder))) == version.digest
            except RegistryError:
                return False
