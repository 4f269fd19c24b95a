"""The model registry: MLflow, embedded on SQLite or a server by environment."""

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
from .history import EVENT, read_events
from .registered_version import ROLLED_BACK as ROLLED_BACK
from .registered_version import Version as Version
from .registered_version import version_of
from .registry_connection import BundleTooLargeError as BundleTooLargeError
from .registry_connection import RegistryConnection
from .registry_connection import RegistryError as RegistryError

CHAMPION, CHALLENGER = "champion", "challenger"
FOLDER = "bundle"  # of a run's artifacts
ENVIRONMENTS = ("local", "staging", "production")  # the strictest last


class Registry(RegistryConnection):
    """Runs, versions and the two aliases of one model.

    Everything raises RegistryError when the server is away.
    """

    @classmethod
    def existing(cls, settings: Settings) -> "Registry":
        """The registry, which is not made here: an embedded one that is gone is away.

        Raises RegistryError.
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
    ) -> str:
        """Record a training run, refused or not, with its bundle when there is one.

        Gives the run's id.
        """
        run: str = self._ask("create_run", self.experiment, tags=dict(tags)).info.run_id
        for name, value in metrics.items():
            self._ask("log_metric", run, name, value)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in artifacts.items():
                (Path(folder) / name).write_bytes(content)
            self._ask("log_artifacts", run, folder)
        if bundle:
            self._ask("log_artifacts", run, str(bundle), FOLDER)
        self._ask("set_terminated", run, "FINISHED" if bundle else "FAILED")
        return run

    def register(self, run: str, digest: str, tags: Mapping[str, str]) -> Version:
        """A version for the bundle, or the version that already holds the same bundle and can still
        deliver it.
        """
        known = next((version for version in self.versions() if version.digest == digest), None)
        if known and self._delivers(known):
            for name, value in tags.items():
                self.tag(known.number, name, value)
            return self.version(known.number)
        try:
            self._ask("create_registered_model", self.name)
        except RegistryError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._ask(
            "create_model_version",
            self.name,
            f"runs:/{run}/{FOLDER}",
            run_id=run,
            tags={**tags, "bundle": digest},
        )
        return self.version(int(made.version))

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        result = [
            version_of(item) for item in self._ask("search_model_versions", f"name='{self.name}'")
        ]
        return sorted(result, key=lambda version: -version.number)

    def version(self, number: int) -> Version:
        try:
            return version_of(self._ask("get_model_version", self.name, str(number)))
        except RegistryError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            known = [version.number for version in self.versions()]
            raise RegistryError(
                f"{self.name} has no version {number}; there are {known}", error.code
            ) from error

    def get_by_alias(self, alias: str) -> Version | None:
        """The version that an alias names, or None.

        Raises RegistryError when the registry cannot say.
        """
        try:
            return version_of(self._ask("get_model_version_by_alias", self.name, alias))
        except RegistryError as error:
            if error.code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def point(self, alias: str, version: Version) -> None:
        """Move an alias: one call, the only thing that decides who serves."""
        self._ask("set_registered_model_alias", self.name, alias, str(version.number))

    def tag(self, number: int, name: str, value: str) -> None:
        self._ask("set_model_version_tag", self.name, str(number), name, value)

    def drop_tag(self, number: int, name: str) -> None:
        self._ask("delete_model_version_tag", self.name, str(number), name)

    def model_tags(self) -> dict[str, str]:
        """The tags of the model itself; none while nothing is registered."""
        try:
            return dict(self._ask("get_registered_model", self.name).tags)
        except RegistryError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}

    def tag_model(self, name: str, value: str) -> None:
        self._ask("set_registered_model_tag", self.name, name, value)

    def drop_model_tag(self, name: str) -> None:
        self._ask("delete_registered_model_tag", self.name, name)

    def environment(self) -> str:
        """What this registry has been used for: local, staging or production."""
        result = self.model_tags().get("environment", "local")
        if result not in ENVIRONMENTS:
            raise RegistryError(
                display(
                    f"the tag environment of {self.name} is {result[:80]!r}; works: "
                    f"{', '.join(ENVIRONMENTS)}"
                )
            )
        return result

    def mark_environment(self, environment: str) -> None:
        """Remember what this registry is used for, once there is a model; the strictest counts."""
        if (
            ENVIRONMENTS.index(environment) > ENVIRONMENTS.index(self.environment())
            and self.versions()
        ):
            self.tag_model("environment", environment)

    def record(self, action: str, **facts: Any) -> None:
        """Append to the history of the model: who did what, when and why."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.tag_model(f"{EVENT}{at}", json.dumps({"action": action, "at": at, **facts}))

    def history(self) -> list[dict[str, Any]]:
        """What was recorded, oldest first; what somebody else wrote there is left out."""
        return read_events(self.model_tags())[0]

    def save_tag_sets(self, kind: str, tags: Mapping[str, str]) -> None:
        """Keep a set of words for good, apart from the runs of trainings."""
        run = self._ask("create_run", self._experiment(kind), tags=dict(tags)).info.run_id
        self._ask("set_terminated", run)

    def load_tag_sets(self, kind: str, newest: int) -> list[dict[str, str]]:
        """The sets of words that were kept, newest first."""
        order = ["attributes.start_time DESC"]
        result = self._ask(
            "search_runs", [self._experiment(kind)], max_results=newest, order_by=order
        )
        return [dict(run.data.tags) for run in result]

    def download(self, version: Version, folder: Path) -> Path:
        """The bundle of a version, below `folder`.

        Raises RegistryError, before anything comes, for one too large.
        """
        if (size := self._bytes(version.run, FOLDER)) > self.megabytes * MEGABYTE:
            raise BundleTooLargeError(
                f"the bundle of version {version.number} has {size / MEGABYTE:,.0f} MB of "
                f"files; the limit is "
                f"{self.megabytes} MB (ML_MODEL_MEGABYTES)"
            )
        return self._fetch(f"runs:/{version.run}/{FOLDER}", version, folder)

    def download_run(self, version: Version, folder: Path) -> Path:
        """Everything that was logged with a version: its bundle in a folder of that name, its
        pictures beside it.
        """
        return self._fetch(f"runs:/{version.run}/", version, folder)

    def _delivers(self, version: Version) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            try:
                return folder_digest(self.download(version, Path(folder))) == version.digest
            except RegistryError:
                return False
