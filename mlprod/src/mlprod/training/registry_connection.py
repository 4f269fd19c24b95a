"""The way to MLflow: a server, or a database in the state folder of this machine."""

import contextlib
import os
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"
)  # a dead server is noticed in seconds, not minutes
os.environ.setdefault(
    "MLFLOW_HTTP_REQUEST_TIMEOUT", "20"
)  # and one that hangs in a minute, not six
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from ..display.masking import masked
from ..settings import Settings
from .registered_version import Version
from .relocation import relocate

MAX_MESSAGE = 400  # characters of MLflow's errors, which may hold whole pages of a server
ANSWERS = (
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "PERMISSION_DENIED",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
)


class RegistryError(Exception):
    """The registry does not answer or does not hold what was asked for; `code` is MLflow's word for
    it.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def answered(self) -> bool:
        """Whether the registry is there and refuses."""
        return self.code in ANSWERS


class BundleTooLargeError(RegistryError):
    """The bundle has more bytes than a service would load; nothing was fetched."""


class RegistryConnection:
    """A client of MLflow. Everything raises RegistryError when the server is away."""

    def __init__(self, settings: Settings) -> None:
        self.database = settings.database
        self.name, self.megabytes = settings.model_name, settings.model_megabytes
        self.uri = settings.tracking_uri or _sqlite(settings.database)
        self.folder = None if settings.tracking_uri else settings.state_dir  # of this machine alone
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
            raise RegistryError(
                masked(f"the registry {self.uri} does not answer: {error}")[:MAX_MESSAGE]
            ) from error

    def _ask(self, call: str, *arguments: Any, **named: Any) -> Any:
        """A call of MLflow's client. Raises RegistryError when it fails for whatever reason."""
        try:
            return getattr(self.client, call)(*arguments, **named)
        except (
            Exception
        ) as error:  # MLflow's own, or whatever its store raises: S3, a database, a disk
            message = masked(f"the registry {self.uri} does not answer {call}: {error}")[
                :MAX_MESSAGE
            ]
            raise RegistryError(message, getattr(error, "error_code", "")) from error

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

    def _fetch(self, uri: str, version: Version, folder: Path) -> Path:
        try:
            return Path(
                download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=self.uri)
            )
        except Exception as error:
            raise RegistryError(
                f"the bundle of version {version.number} cannot be fetched: "
                f"{masked(str(error))[:MAX_MESSAGE]}"
            ) from error

    def _bytes(self, run: str, path: str) -> int:
        """Of the files below a path of a run's artifacts, where the store lists them with their
        size.
        """
        try:
            result = self._ask("list_artifacts", run, path)
        except RegistryError:
            return 0  # what cannot be listed cannot be fetched either, and is then named
        return sum(
            self._bytes(run, item.path) if item.is_dir else int(item.file_size or 0)
            for item in result
        )


def _sqlite(file: Path) -> str:
    return f"sqlite:///{file.resolve().as_posix()}"


def _make_database(file: Path) -> None:
    """MLflow takes seconds to make its tables; nobody may see them half made, and the first of two
    makers wins.
    """
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
