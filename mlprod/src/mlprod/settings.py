"""Everything that the environment may say, with what holds when it says nothing."""

import re
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .bundle.limits import MODEL_MEGABYTES
from .modes import SAFEST, ModeName

ZERO_SECONDS = 120.0  # two scrape intervals of a minute
RELATIVE_SQLITE = re.compile(r"sqlite:///(?!/|[A-Za-z]:|:memory:|file:)(.+)")
SERVER = r"^(|databricks(-uc)?|[A-Za-z][A-Za-z0-9+.-]*://.+)$"
USER = r"([^:/@]*(:[^@]*)?@)?"
HOST_AND_PORT = r"(\[[0-9a-fA-F:.]+\]|[^:/?#@,\s]*)(:[0-9]{1,5})?"
DATABASE = rf"^(|sqlite:///.+|postgres(ql)?(\+psycopg)?://{USER}{HOST_AND_PORT}(,{HOST_AND_PORT})*(/[^?]*)?(\?.*)?)$"


class Settings(BaseSettings):
    """Read once at the start of a command, from variables ML_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix="ML_",
        env_ignore_empty=True,
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    state_dir: Path = Field(
        default=Path("var"), description="folder for what runs leave behind; never committed"
    )
    governance_dir: Path = Field(
        default=Path("governance"), description="folder of the governance files"
    )
    tracking_uri: str = Field(
        default="",
        repr=False,
        pattern=SERVER,
        validation_alias=AliasChoices("ML_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="an MLflow server, https://mlflow.example.org; empty means SQLite in the state "
        "folder",
    )
    model_name: str = Field(
        default="", description="name in the registry; default: that of the package"
    )
    model_dir: Path | None = Field(
        default=None, description="folder that the API reads models from; default: in state"
    )
    host: str = Field(
        default="127.0.0.1",
        description="where the service listens; elsewhere than here it needs keys",
    )
    port: int = Field(default=8000, ge=0, le=65_535, description="for callers")
    admin_port: int = Field(
        default=8001,
        ge=0,
        le=65_535,
        description="health and metrics, for those who run the service",
    )
    admin_host: str = Field(
        default="127.0.0.1", description="where the second port listens; it asks nobody for a key"
    )
    environment: Literal["local", "staging", "production"] = Field(
        default="local", description="anywhere but locally callers need keys"
    )
    keys_file: Path | None = Field(
        default=None, description="who may ask for what; made by the verb create-key"
    )
    database_url: str = Field(
        default="",
        repr=False,
        pattern=DATABASE,
        description="records: postgresql://user@host/database or sqlite:///path; default: SQLite in "
        "the state folder",
    )
    event_log_dir: Path | None = Field(
        default=None, description="folder of the event log, one for each service; default: in state"
    )
    event_log_max_mb: int = Field(
        default=512, ge=1, description="what may wait there before predictions are refused"
    )
    poll_seconds: float = Field(
        default=2.0, gt=0, description="how often the follower asks the registry"
    )
    mode: ModeName = Field(
        default="assist",
        description="holds, locally, until the mode is switched; elsewhere the first mode is "
        "shadow",
    )
    mode_file: Path | None = Field(
        default=None,
        description="a file that every replica reads beside the database: shadow, assist or "
        "automate",
    )
    allow_pickle: bool = Field(default=False, description="accept bundles of runtime python")
    model_megabytes: int = Field(
        default=MODEL_MEGABYTES,
        ge=1,
        description="what a model may take, of files and of memory; larger ones are refused",
    )
    max_body_bytes: int = Field(
        default=1_000_000, ge=1_000, description="longer bodies are refused"
    )
    max_concurrency: int = Field(
        default=512, ge=1, description="answered at once; more are refused"
    )
    max_queue_seconds: float = Field(
        default=0.25, gt=0, description="what a request may have waited before it is refused"
    )
    new_series_seconds: float | None = Field(
        default=None,
        ge=0,
        description="a new series of /metrics shows 0 for so long, two scrape intervals at least; "
        "default: 120, and "
        "locally 0, which counts at once",
    )
    keep_alive_seconds: int = Field(
        default=620,
        ge=1,
        description="an idle connection is kept; longer than your load balancer keeps it (nginx, AWS: "
        "60; Google: 600)",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        description="after SIGTERM: still answering, while callers are told to go elsewhere",
    )

    def in_folder(self, root: Path) -> "Settings":
        """These settings with each relative path below `root`, also in the address of an SQLite
        database.
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
        return self.state_dir / "mlflow.db"

    @property
    def models(self) -> Path:
        return self.model_dir or self.state_dir / "models"

    @property
    def first_mode(self) -> str:
        """What holds while the database knows no mode: away from a laptop, the stop."""
        return self.mode if self.environment == "local" else SAFEST

    @property
    def records_url(self) -> str:
        return self.database_url or f"sqlite:///{self.state_dir / 'records.db'}"

    @property
    def zero_seconds(self) -> float:
        """How long a new series shows 0.

        A person at a laptop wants to see what was counted at once.
        """
        if self.new_series_seconds is not None:
            return self.new_series_seconds
        return 0 if self.environment == "local" else ZERO_SECONDS

    @property
    def switches(self) -> Path:
        """Where the verb `set-mode` leaves a switch while the database is away."""
        return self.state_dir / "switches"

    @property
    def spooled(self) -> Path:
        return self.event_log_dir or self.state_dir / "spool"


def unusable(error: Exception) -> str:
    """Which settings cannot be used, and what works.

    What was given is not shown: it may be a secret.
    """
    lines = ["The environment cannot be used. Values are not shown, since they may be secrets:"]
    for item in (
        error.errors(include_input=False, include_url=False)
        if isinstance(error, ValidationError)
        else ()
    ):
        name = str(item["loc"][0]).upper().removeprefix("ML_")
        field = Settings.model_fields.get(name.lower().removeprefix("mlflow_"))
        message = (
            "it is written in a form that does not work"
            if "pattern" in item["type"]
            else item["msg"]
        )
        variable = name if name.startswith("MLFLOW_") else f"ML_{name}"
        lines.append(f"  {variable}: {message}" + (f" ({field.description})" if field else ""))
    return "\n".join(
        [
            *lines,
            "In a password of an address write @ as %40, / as %2F, # as %23, ? as %3F, % as %25.",
        ]
    )
