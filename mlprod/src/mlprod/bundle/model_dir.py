"""What MODEL_DIR says beside its bundles: the champion, and a rollback that was made while the
registry was away.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

CHAMPION_FILE, ROLLBACK_FILE, VERSIONS = "champion.json", "rollback.json", "versions"


class ModelRef(BaseModel):
    """A bundle in MODEL_DIR, under the number that the registry gave it."""

    model_config = ConfigDict(frozen=True)

    digest: str
    version: int


class Pointer(ModelRef):
    """champion.json: who answers, and who answered before, newest first.

    `since` is the registry's time of the move that made it champion, and tells two such moves of
    one version apart. `back` are the versions that a rollback in the registry would come to,
    nearest first; None: nobody knows.
    """

    previous: tuple[ModelRef, ...] = ()
    since: str = ""
    back: tuple[int, ...] | None = None

    @property
    def champion(self) -> ModelRef:
        return ModelRef(digest=self.digest, version=self.version)

    def predecessors(self) -> list[ModelRef]:
        """Those that a rollback may come to.

        A version that was itself left by a rollback is not among them.
        """
        if self.back is None:
            return list(self.previous)
        return [item for number in self.back for item in self.previous if item.version == number]


class LocalRollback(BaseModel):
    """rollback.json: `to` answers in the place of the champion that was left, until the registry
    moves.
    """

    model_config = ConfigDict(frozen=True)

    left: ModelRef
    since: str
    to: ModelRef
    who: str
    why: str
    at: str

    def applies(self, pointer: Pointer) -> bool:
        """Whether the registry's champion has not moved since, be it forth and back again."""
        return self.left == pointer.champion and self.since == pointer.since


def read_pointer(models: Path) -> Pointer | None:
    """None when nothing was promoted yet. Raises OSError and ValidationError."""
    try:
        return Pointer.model_validate_json((models / CHAMPION_FILE).read_bytes())
    except FileNotFoundError:
        return None


def read_rollback(models: Path) -> LocalRollback | None:
    """None when there is none. Raises OSError and ValidationError."""
    try:
        return LocalRollback.model_validate_json((models / ROLLBACK_FILE).read_bytes())
    except FileNotFoundError:
        return None
