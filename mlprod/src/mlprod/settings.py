"""The settings that come from environment variables, with their defaults."""

import re
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .bundle.limits import MODEL_MEGABYTES
from .modes import SAFEST, ModeName

# Two scrape intervals of a minute.
ZERO_SECONDS = 120.0
RELATIVE_SQLITE = re.compile(r"sqlite:///(?!/|[A-Za-z]:|:memory:|file:)(.+)")
SERVER = r"^(|databricks(-uc)?|[A-Za-z][A-Za-z0-9+.-]*://.+)$"
USER = r"([^:/@]*(:[^@]*)?@)?"
HOST_AND_PORT = r"(\[[0-9a-fA-F:.]+\]|[^:/?#@,\s]*)(:[0-9]{1,5})?"
DATABASE = (
    rf"^(|sqlite:///.+|postgres(ql)?(\+psycopg)?://{USER}{HOST_AND_PORT}(,{HOST_AND_PORT})*"
    r"(/[^?]*)?(\?.*)?)$"
)


class Settings(BaseSettings):
    """The settings of a command, read once at its start from variables ML_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix="ML_",
        env_ignore_empty=True,
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    state_dir: Path = Field(
        default=Path("var"),
        description="folder of local files: registry, records and models; never commit it",
    )
    governance_dir: Path = Field(
        default=Path("governance"), description="folder of the governance files"
    )
    tracking_uri: str = Field(
        default="",
        repr=False,
        pattern=SERVER,
        validation_alias=AliasChoices("ML_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="address of an MLflow server, such as https://mlflow.example.org; default: "
        "SQLite in the state folder",
    )
    model_name: str = Field(
        default="",
        description="name of the model in the registry; default: the package's name with - for _",
    )
    model_dir: Path | None = Field(
        default=None,
        description="folder from which the service reads models; default: models in the state "
        "folder",
    )
    host: str = Field(
        default="127.0.0.1",
        description="address on which the service listens for callers; an address that other "
        "machines reach requires ML_KEYS_FILE",
    )
    port: int = Field(default=8000, ge=0, le=65_535, description="port for callers")
    admin_port: int = Field(
        default=8001,
        ge=0,
        le=65_535,
        description="port for health checks and metrics, for the operators of the service",
    )
    admin_host: str = Field(
        default="127.0.0.1",
        description="address on which the admin port listens; the admin port requires no key",
    )
    environment: Literal["local", "staging", "production"] = Field(
        default="local",
        description="local, staging or production; in staging and production callers need keys",
    )
    keys_file: Path | None = Field(
        default=None,
        description="file with the keys and roles of callers, which the verb create-key writes; "
        "default: no keys",
    )
    database_url: str = Field(
        default="",
        repr=False,
        pattern=DATABASE,
        description="database of the records: postgresql://user@host/database or sqlite:///path; "
        "default: SQLite in the state folder",
    )
    event_log_dir: Path | None = Field(
        default=None,
        description="folder of the event log, which no other service may use; default: spool in "
        "the state folder",
    )
    event_log_max_mb: int = Field(
        default=512,
        ge=1,
        description="megabytes that the event log may hold; above that the service refuses "
        "predictions",
    )
    poll_seconds: float = Field(
        default=2.0,
        gt=0,
        description="seconds between two polls of the registry by the follower",
    )
    mode: ModeName = Field(
        default="assist",
        description="decision mode in the environment local, until the mode is switched: shadow, "
        "assist or automate; in staging and production the first mode is shadow",
    )
    mode_file: Path | None = Field(
        default=None,
        description="file with a decision mode, which every replica reads beside the database: "
        "shadow, assist or automate; default: no file",
    )
    allow_pickle: bool = Field(
        default=False,
        description="true: load bundles with the runtime python, whose pickles can run any code",
    )
    model_megabytes: int = Field(
        default=MODEL_MEGABYTES,
        ge=1,
        description="megabytes that a model may use, both of files and of memory; a larger model "
        "is refused",
    )
    max_body_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        description="bytes of a request body; a longer body is refused",
    )
    max_concurrency: int = Field(
        default=512,
        ge=1,
        description="requests that the service handles at the same time; more are refused",
    )
    max_queue_seconds: float = Field(
        default=0.25,
        gt=0,
        description="seconds that a request may wait; after that it is refused",
    )
    new_series_seconds: float | None = Field(
        default=None,
        ge=0,
        description="seconds for which a new series of /metrics shows 0, at least two scrape "
        "intervals; default: 120, and in the environment local 0, which counts at once",
    )
    keep_alive_seconds: int = Field(
        default=620,
        ge=1,
        description="seconds for which an idle connection stays open; choose more than your load "
        "balancer has (nginx, AWS: 60; Google: 600)",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        description="seconds after SIGTERM in which the service still responds, and requests that "
        "callers open another connection",
    )

    def in_folder(self, root: Path) -> "Settings":
        """Return these settings with each relative path below `root`.

        This includes the path in the address of an SQLite database.
        """
        update: dict[str, object] = {}
        for name, value in self:
            if isinstance(value, Path) and not value.is_absolute():
                update[name] = root / value
            elif isinstance(value, str) and (result := RELATIVE_SQLITE.fullmatch(value)):
                update[name] = f"sqlite:///{root.as_posix()}/{result[1]}"
        return self.model_copy(update=update)

    @property
    def database(self) -> Path:
        """The SQLite file of MLflow, if no server is set."""
        return self.state_dir / "mlflow.db"

    @property
    def models(self) -> Path:
        """The folder of the models."""
        return self.model_dir or self.state_dir / "models"

    @property
    def first_mode(self) -> str:
        """The decision mode until the first switch; shadow outside the environment local."""
        return self.mode if self.environment == "local" else SAFEST

    @property
    def records_url(self) -> str:
        """The address of the database of the records."""
        return self.database_url or f"sqlite:///{self.state_dir / 'records.db'}"

    @property
    def zero_seconds(self) -> float:
        """Seconds for which a new series shows 0.

        In the environment local a count is visible at once.
        """
        if self.new_series_seconds is not None:
            return self.new_series_seconds
        return 0 if self.environment == "local" else ZERO_SECONDS

    @property
    def switches(self) -> Path:
        """The folder where the verb `set-mode` stores a switch during a database outage."""
        return self.state_dir / "switches"

    @property
    def spooled(self) -> Path:
        """The folder of the event log."""
        return self.event_log_dir or self.state_dir / "spool"


def describe_unusable_settings(error: Exception) -> str:
    """Return a message that names each invalid setting and what works.

    It does not show the values, since they may be secrets.
    """
    lines = ["These settings cannot be used. Values are not shown, since they may be secrets:"]
    for item in (
        error.errors(include_input=False, include_url=False)
        if isinstance(error, ValidationError)
        else ()
    ):
        name = str(item["loc"][0]).upper().removeprefix("ML_")
        field = Settings.model_fields.get(name.lower().removeprefix("mlflow_"))
        message = "its form is not valid" if "pattern" in item["type"] else item["msg"]
        variable = name if name.startswith("MLFLOW_") else f"ML_{name}"
        lines.append(f"  {variable}: {message}" + (f" ({field.description})" if field else ""))
    return "\n".join(
        [
            *lines,
            "In the password of an address write @ as %40, / as %2F, # as %23, ? as %3F, % as %25.",
        ]
    )
