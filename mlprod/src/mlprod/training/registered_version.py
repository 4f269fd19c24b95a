"""A version of the model, as the registry holds it."""

from dataclasses import dataclass, field
from typing import Any

from ..display.plain_text import display
from .history import parse_version_number

# The tag of a version that was left by a rollback.
ROLLED_BACK = "rolled_back.at"


@dataclass(frozen=True)
class Version:
    """A registered bundle. `previous` is the version that was champion before it."""

    number: int
    run: str
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of the bundle; empty if the version names none."""
        return self.tags.get("bundle", "")

    @property
    def kind(self) -> str:
        """The kind of the candidate: "model" or "baseline"."""
        return self.tags.get("kind", "model")

    @property
    def previous(self) -> int | None:
        """The number of the champion before this version; None if its tag names none."""
        return parse_version_number(self.tags.get("previous", ""))

    @property
    def since(self) -> str:
        """The time when the version last became champion; empty if it never did."""
        return max(self.tags.get("promote.at", ""), self.tags.get("rollback.at", ""))

    @property
    def rolled_back(self) -> str:
        """The rollback that left the version: actor, time and reason.

        It is empty if there was none, or once somebody promoted the version by its number again.
        """
        if ROLLED_BACK not in self.tags:
            return ""
        by, why = (self.tags.get(f"rolled_back.{name}", "unknown") for name in ("by", "why"))
        return display(f"rolled back by {by} at {self.tags[ROLLED_BACK]}: {why}")

    @property
    def problems(self) -> list[str]:
        """Defects of the version's tags, which only other programs than these commands cause."""
        result = []
        if not self.digest:
            result.append("names no bundle, so no service can load it; `train` registers versions")
        if self.tags.get("previous") and self.previous is None:
            result.append(
                f"its tag previous is {self.tags['previous'][:80]!r}, which is not a version number"
            )
        return [display(problem) for problem in result]


def version_of(item: Any) -> Version:
    """Convert MLflow's model version."""
    return Version(int(item.version), item.run_id, dict(item.tags))
