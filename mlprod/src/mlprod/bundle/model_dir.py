"""The state files in MODEL_DIR: the champion, and a rollback during an outage of the registry."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

CHAMPION_FILE, ROLLBACK_FILE, VERSIONS = "champion.json", "rollback.json", "versions"


class ModelRef(BaseModel):
    """A bundle in MODEL_DIR, with its version number in the registry."""

    model_config = ConfigDict(frozen=True)

    digest: str
    version: int


class Pointer(ModelRef):
    """champion.json: the champion, and the previous champions, newest first.

    `since` is the registry's time of the promotion or rollback to this champion. It distinguishes
    two moves to the same version. `back` are the versions to which a rollback in the registry would
    lead, nearest first. It is None if they are unknown.
    """

    previous: tuple[ModelRef, ...] = ()
    since: str = ""
    back: tuple[int, ...] | None = None

    @property
    def champion(self) -> ModelRef:
        """The champion without the previous ones."""
        return ModelRef(digest=self.digest, version=self.version)

    def predecessors(self) -> list[ModelRef]:
        """Return the bundles to which a rollback may lead, nearest first.

        A version from which a rollback led away is not among them.
        """
        if self.back is None:
            return list(self.previous)
        return [item for number in self.back for item in self.previous if item.version == number]


class LocalRollback(BaseModel):
    """rollback.json: `to` replaces the champion `left` until the registry's champion changes."""

    model_config = ConfigDict(frozen=True)

    left: ModelRef
    since: str
    to: ModelRef
    who: str
    why: str
    at: str

    def applies(self, pointer: Pointer) -> bool:
        """Return whether the registry's champion has not changed since.

        A change away from it and back counts as a change.
        """
        return self.left == pointer.champion and self.since == pointer.since


def read_pointer(models: Path) -> Pointer | None:
    """Read champion.json; return None before the first promotion.

    Raises OSError if the file cannot be read, and ValidationError if its content is not valid.
    """
    try:
        return Pointer.model_validate_json((models / CHAMPION_FILE).read_bytes())
    except FileNotFoundError:
        return None


def read_rollback(models: Path) -> LocalRollback | None:
    """Read rollback.json; return None if there is no such rollback.

    Raises OSError if the file cannot be read, and ValidationError if its content is not valid.
    """
    try:
        return LocalRollback.model_validate_json((models / ROLLBACK_FILE).read_bytes())
    except FileNotFoundError:
        return None
