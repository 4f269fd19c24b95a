"""Connection to MLflow: a server, or a database in the state folder of this machine."""

import contextlib
import os
from pathlib import Path
from typing import Any

# MLflow reads these when it is imported. A dead server is noticed in seconds instead of minutes,
# and one that hangs in a minute instead of six.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from ..display.masking import masked
from ..settings import Settings
from .registered_version import Version
from .relocation import relocate

# Characters of an error of MLflow, which may contain a whole page of a server.
MAX_MESSAGE_LENGTH = 400
# Codes of a registry that responded and refused the call.
REFUSAL_CODES = (
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "PERMISSION_DENIED",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
)


class RegistryError(Exception):
    """The registry does not respond, or does not hold the requested item.

    `code` is MLflow's error code; empty if there is none.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    @property
    def refused(self) -> bool:
        """Whether the registry responded and refused the call."""
        return self.code in REFUSAL_CODES


class BundleTooLargeError(RegistryError):
    """The bundle has more bytes than a service would load; nothing was downloaded."""


class RegistryConnection:
    """A client of MLflow. Every method raises RegistryError if the registry does not respond."""

    def __init__(self, settings: Settings) -> None:
        self.database = settings.database
        self.name, self.megabytes = settings.model_name, settings.model_megabytes
        self.uri = settings.tracking_uri or _sqlite(settings.database)
        # Only an embedded registry has a folder on this machine.
        self.folder = None if settings.tracking_uri else settings.state_dir
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
                masked(f"the registry {self.uri} does not respond: {error}")[:MAX_MESSAGE_LENGTH]
            ) from error

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of MLflow's client. Raises RegistryError if it fails for any reason."""
        try:
            return getattr(self.client, method)(*arguments, **named)
        # MLflow's own error, or one of its store: S3, a database, a disk.
        except Exception as error:
            message = masked(f"the registry {self.uri} does not respond to {method}: {error}")
            raise RegistryError(
                message[:MAX_MESSAGE_LENGTH], getattr(error, "error_code", "")
            ) from error

    def _experiment(self, kind: str = "") -> str:
        name = f"{self.name}.{kind}" if kind else self.name
        known = self._call("get_experiment_by_name", name)
        place = self.local_artifacts.as_uri() if self.local_artifacts else None
        if known:
            if self.local_artifacts and known.artifact_location != place:
                relocate(self.database, known.artifact_location, self.local_artifacts)
            return str(known.experiment_id)
        try:
            return str(self._call("create_experiment", name, artifact_location=place))
        except RegistryError:
            # Another process may have created it meanwhile.
            if known := self._call("get_experiment_by_name", name):
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
                f"{masked(str(error))[:MAX_MESSAGE_LENGTH]}"
            ) from error

    def _bytes(self, run: str, path: str) -> int:
        """Return the bytes of the files below a path of a run's artifacts.

        A store may list files without their size; these count as 0.
        """
        try:
            result = self._call("list_artifacts", run, path)
        # A path that cannot be listed cannot be downloaded either; the download reports it.
        except RegistryError:
            return 0
        return sum(
            self._bytes(run, item.path) if item.is_dir else int(item.file_size or 0)
            for item in result
        )


def _sqlite(file: Path) -> str:
    return f"sqlite:///{file.resolve().as_posix()}"


def _make_database(file: Path) -> None:
    """Create the database under a draft name, then move it into place.

    MLflow needs seconds to create its tables, and no process may see an incomplete database. Of two
    processes the first one wins.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    MlflowClient(tracking_uri=_sqlite(draft)).search_experiments(max_results=1)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    # The file system does not support hard links.
    except OSError:
        draft.replace(file)
    with contextlib.suppress(OSError):
        draft.unlink()
