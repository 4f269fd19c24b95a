"""Everything that the environment may say, with what holds when it says nothing."""

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

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
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    poll_seconds: float = Field(default=2.0, gt=0, description="how often the follower asks the registry")
    mode: str = Field(
        default="assist", pattern="^(shadow|assist|automate)$", description="shadow answers without a decision"
    )
    allow_pickle: bool = Field(default=False, description="accept bundles of runtime python")

    @property
    def database(self) -> Path:
        return self.state / "mlflow.db"

    @property
    def models(self) -> Path:
        return self.model_dir or self.state / "models"
