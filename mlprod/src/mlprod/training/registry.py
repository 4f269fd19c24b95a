"""The model registry: MLflow, embedded on SQLite or a server by environment."""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a dead server is noticed in seconds, not minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # and one that hangs in a minute, not six
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from ..bundle.files import folder_digest
from ..bundle.limits import MEGABYTE
from ..masking import masked
from ..plain_text import display
from ..settings import Settings
from .history import EVENT, number_of, read_events
from .relocation import relocate

CHAMPION, CHALLENGER = "champion", "challenger"
ROLLED_BACK = "rolled_back.at"  # tag of a version that was left by a rollback
FOLDER = "bundle"  # of a run's artifacts
MAX_MESSAGE = 400  # characters of MLflow's errors, which may hold whole pages of a server
ANSWERS = (
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "PERMISSION_DENIED",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
)
ENVIRONMENTS = ("local", "staging", "production")  # the strictest last


class RegistryError(Exception):
    """The registry does not answer or does not hold what was asked for; `code` is MLflow's word for it."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def answered(self) -> bool:
        """Whether the registry is there and refuses."""
        return self.code in ANSWERS


class BundleTooLargeError(RegistryError):
    """The bundle has more bytes than a service would load; nothing was fetched."""


@dataclass(frozen=True)
class Version:
    """A registered bundle. `previous` is the version that was champion before it."""

    number: int
    run: str
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.tags.get("bundle", "")

    @property
    def kind(self) -> str:
        return self.tags.get("kind", "model")

    @property
    def previous(self) -> int | None:
        return number_of(self.tags.get("previous", ""))

    @property
    def since(self) -> str:
        """When it was last made champion; the same version made champion again has another time."""
        return max(self.tags.get("promote.at", ""), self.tags.get("rollback.at", ""))

    @property
    def rolled_back(self) -> str:
        """When, by whom and why it was left by a rollback; empty once somebody promoted it by its number again."""
        if ROLLED_BACK not in self.tags:
            return ""
        by, why = (self.tags.get(f"rolled_back.{name}", "unknown") for name in ("by", "why"))
        return display(f"rolled back by {by} at {self.tags[ROLLED_BACK]}: {why}")

    @property
    def problems(self) -> list[str]:
        """What somebody else than these commands has written, or has not."""
        found = []
        if not self.digest:
            found.append("names no bundle, so nothing can answer with it: train registers versions")
        if self.tags.get("previous") and self.previous is None:
            found.append(f"its tag previous is {self.tags['previous'][:80]!r}, no number of a version")
        return [display(problem) for problem in found]


class Registry:
    """Runs, versions and the two aliases of one model. Everything raises RegistryError when the server is away."""

    def __init__(self, settings: Settings) -> None:
        self.database = settings.database
        self.name, self.megabytes = settings.model_name, settings.model_megabytes
        self.uri = settings.tracking_uri or _sqlite(settings.database)
        self.folder = None if settings.tracking_uri else settings.state  # of this machine alone
        self.local_artifacts = self.folder and (self.folder / "artifacts").resolve()
        try:
            if self.local_artifacts and not settings.database.exists():
                self.local_artifacts.mkdir(parents=True, exist_ok=True)
                _make_database(settings.database)
            self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self.experiment = self._experiment()
        except RegistryError:
            raise
        except Exception as error:
            raise RegistryError(masked(f"the registry {self.uri} does not answer: {error}")[:MAX_MESSAGE]) from error

    @classmethod
    def existing(cls, settings: Settings) -> "Registry":
        """The registry, which is not made here: an embedded one that is gone is away. Raises RegistryError."""
        if not settings.tracking_uri and not settings.database.exists():
            raise RegistryError(f"the registry {settings.database} does not exist")
        return cls(settings)

    def log_run(
        self, tags: Mapping[str, str], metrics: Mapping[str, float], artifacts: Mapping[str, bytes], bundle: Path | None
    ) -> str:
        """Record a training run, refused or not, with its bundle when there is one. Gives the run's id."""
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
        """A version for the bundle, or the version that already holds the same bundle and can still deliver it."""
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
            "create_model_version", self.name, f"runs:/{run}/{FOLDER}", run_id=run, tags={**tags, "bundle": digest}
        )
        return self.version(int(made.version))

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        found = [_version(item) for item in self._ask("search_model_versions", f"name='{self.name}'")]
        return sorted(found, key=lambda version: -version.number)

    def version(self, number: int) -> Version:
        try:
            return _version(self._ask("get_model_version", self.name, str(number)))
        except RegistryError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            known = [version.number for version in self.versions()]
            raise RegistryError(f"{self.name} has no version {number}; there are {known}", error.code) from error

    def behind(self, alias: str) -> Version | None:
        """The version that an alias names, or None. Raises RegistryError when the registry cannot say."""
        try:
            return _version(self._ask("get_model_version_by_alias", self.name, alias))
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
        found = self.model_tags().get("environment", "local")
        if found not in ENVIRONMENTS:
            raise RegistryError(
                display(f"the tag environment of {self.name} is {found[:80]!r}; works: {', '.join(ENVIRONMENTS)}")
            )
        return found

    def serves(self, environment: str) -> None:
        """Remember what this registry is used for, once there is a model; the strictest counts."""
        if ENVIRONMENTS.index(environment) > ENVIRONMENTS.index(self.environment()) and self.versions():
            self.tag_model("environment", environment)

    def record(self, action: str, **facts: Any) -> None:
        """Append to the history of the model: who did what, when and why."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.tag_model(f"{EVENT}{at}", json.dumps({"action": action, "at": at, **facts}))

    def history(self) -> list[dict[str, Any]]:
        """What was recorded, oldest first; what somebody else wrote there is left out."""
        return read_events(self.model_tags())[0]

    def log_tags(self, kind: str, tags: Mapping[str, str]) -> None:
        """Keep a set of words for good, apart from the runs of trainings."""
        run = self._ask("create_run", self._experiment(kind), tags=dict(tags)).info.run_id
        self._ask("set_terminated", run)

    def tags_of(self, kind: str, newest: int) -> list[dict[str, str]]:
        """The sets of words that were kept, newest first."""
        order = ["attributes.start_time DESC"]
        found = self._ask("search_runs", [self._experiment(kind)], max_results=newest, order_by=order)
        return [dict(run.data.tags) for run in found]

    def download(self, version: Version, folder: Path) -> Path:
        """The bundle of a version, below `folder`. Raises RegistryError, before anything comes, for one too large."""
        if (size := self._bytes(version.run, FOLDER)) > self.megabytes * MEGABYTE:
            raise BundleTooLargeError(
                f"the bundle of version {version.number} has {size / MEGABYTE:,.0f} MB of files; the limit is "
                f"{self.megabytes} MB (ML_MODEL_MEGABYTES)"
            )
        return self._fetch(f"runs:/{version.run}/{FOLDER}", version, folder)

    def download_run(self, version: Version, folder: Path) -> Path:
        """Everything that was logged with a version: its bundle in a folder of that name, its pictures beside it."""
        return self._fetch(f"runs:/{version.run}/", version, folder)

    def _fetch(self, uri: str, version: Version, folder: Path) -> Path:
        try:
            return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=self.uri))
        except Exception as error:
            raise RegistryError(
                f"the bundle of version {version.number} cannot be fetched: {masked(str(error))[:MAX_MESSAGE]}"
            ) from error

    def _bytes(self, run: str, path: str) -> int:
        """Of the files below a path of a run's artifacts, where the store lists them with their size."""
        try:
            found = self._ask("list_artifacts", run, path)
        except RegistryError:
            return 0  # what cannot be listed cannot be fetched either, and is then named
        return sum(self._bytes(run, item.path) if item.is_dir else int(item.file_size or 0) for item in found)

    def _delivers(self, version: Version) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            try:
                return folder_digest(self.download(version, Path(folder))) == version.digest
            except RegistryError:
                return False

    def _ask(self, call: str, *arguments: Any, **named: Any) -> Any:
        """A call of MLflow's client. Raises RegistryError when it fails for whatever reason."""
        try:
            return getattr(self.client, call)(*arguments, **named)
        except Exception as error:  # MLflow's own, or whatever its store raises: S3, a database, a disk
            said = masked(f"the registry {self.uri} does not answer {call}: {error}")[:MAX_MESSAGE]
            raise RegistryError(said, getattr(error, "error_code", "")) from error

    def _experiment(self, kind: str = "") -> str:
        name = f"{self.name}.{kind}" if kind else self.name
        known = self._ask("get_experiment_by_name", name)
        place = self.local_artifacts.as_uri() if self.local_artifacts else None
        if known:
            if self.local_artifacts and known.artifact_location != place:
                relocate(self.database, known.artifact_location, self.local_artifacts)
            return str(known.experiment_id)
        try:
            return str(self._ask("create_experiment", name, artifact_location=place))
        except RegistryError:
            if known := self._ask("get_experiment_by_name", name):  # another process was faster
                return str(known.experiment_id)
            raise


def _sqlite(file: Path) -> str:
    return f"sqlite:///{file.resolve().as_posix()}"


def _make_database(file: Path) -> None:
    """MLflow takes seconds to make its tables; nobody may see them half made, and the first of two makers wins."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    MlflowClient(tracking_uri=_sqlite(draft)).search_experiments(max_results=1)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        draft.replace(file)
    with contextlib.suppress(OSError):
        draft.unlink()


def _version(item: Any) -> Version:
    return Version(int(item.version), item.run_id, dict(item.tags))
