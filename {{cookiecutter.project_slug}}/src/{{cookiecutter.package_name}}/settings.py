"""Everything that the environment may say, with what holds when it says nothing."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from .bundle.limits import MODEL_MEGABYTES

PACKAGE = __name__.partition(".")[0]


class Settings(BaseSettings):
    """Read once at the start of a command, from variables ML_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ML_", env_ignore_empty=True, frozen=True, populate_by_name=True)

    state: Path = Field(default=Path("var"), description="folder for what runs leave behind; never committed")
    governance: Path = Field(default=Path("governance"), description="folder of the governance files")
    tracking_uri: str = Field(
        default="",
        validation_alias=AliasChoices("ML_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="an MLflow server; empty means SQLite in the state folder",
    )
    model_name: str = Field(default=PACKAGE.replace("_", "-"), description="name in the registry")
    model_dir: Path | None = Field(default=None, description="folder that the API reads models from; default: in state")
    host: str = Field(default="127.0.0.1", description="where the service listens; elsewhere than here it needs keys")
    port: int = Field(default=8000, ge=0, le=65_535, description="for callers")
    ops_port: int = Field(
        default=8001, ge=0, le=65_535, description="health and metrics, for those who run the service"
    )
    ops_host: str = Field(default="127.0.0.1", description="where the second port listens; it asks nobody for a key")
    environment: Literal["local", "staging", "production"] = Field(
        default="local", description="anywhere but locally callers need keys"
    )
    keys_file: Path | None = Field(default=None, description="who may ask for what; made by the verb key")
    database_url: str = Field(
        default="",
        pattern=r"^(|sqlite:///.+|postgres(ql)?(\+psycopg)?://.+)$",
        description="records: postgresql://user@host/database or sqlite:///path; default: SQLite in the state folder",
    )
    spool: Path | None = Field(
        default=None, description="folder of the event log, one for each service; default: in state"
    )
    spool_megabytes: int = Field(default=512, ge=1, description="what may wait there before predictions are refused")
    poll_seconds: float = Field(default=2.0, gt=0, description="how often the follower asks the registry")
    mode: Literal["shadow", "assist", "automate"] = Field(
        default="assist", description="holds, locally, until the mode is switched; elsewhere the first mode is shadow"
    )
    mode_file: Path | None = Field(
        default=None, description="a file that every replica reads beside the database: shadow, assist or automate"
    )
    allow_pickle: bool = Field(default=False, description="accept bundles of runtime python")
    model_megabytes: int = Field(
        default=MODEL_MEGABYTES,
        ge=1,
        description="what a model may take, of files and of memory; larger ones are refused",
    )
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, description="longer bodies are refused")
    max_requests: int = Field(default=512, ge=1, description="answered at once; more are refused")
    max_late_seconds: float = Field(
        default=0.25, gt=0, description="what a request may have waited before it is refused"
    )
    new_series_seconds: float = Field(
        default=120.0, ge=0, description="a new series of /metrics shows 0 for so long: two scrape intervals at least"
    )
    drain_seconds: float = Field(
        default=0.0, ge=0, description="after SIGTERM: still answering, while callers are told to go elsewhere"
    )

    @property
    def database(self) -> Path:
        return self.state / "mlflow.db"

    @property
    def models(self) -> Path:
        return self.model_dir or self.state / "models"

    @property
    def first_mode(self) -> str:
        """What holds while the database knows no mode: away from a laptop, the stop."""
        return self.mode if self.environment == "local" else "shadow"

    @property
    def records_url(self) -> str:
        return self.database_url or f"sqlite:///{self.state / 'records.db'}"

    @property
    def switches(self) -> Path:
        """Where the verb `mode` leaves a switch while the database is away."""
        return self.state / "switches"

    @property
    def spooled(self) -> Path:
        return self.spool or self.state / "spool"
