"""A version of the model, as the registry holds it."""

from dataclasses import dataclass, field
from typing import Any

from ..display.plain_text import display
from .history import number_of

ROLLED_BACK = "rolled_back.at"  # tag of a version that was left by a rollback


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
        """When, by whom and why it was left by a rollback; empty once somebody promoted it by its
        number again.
        """
        if ROLLED_BACK not in self.tags:
            return ""
        by, why = (self.tags.get(f"rolled_back.{name}", "unknown") for name in ("by", "why"))
        return display(f"rolled back by {by} at {self.tags[ROLLED_BACK]}: {why}")

    @property
    def problems(self) -> list[str]:
        """What somebody else than these commands has written, or has not."""
        result = []
        if not self.digest:
            result.append(
                "names no bundle, so nothing can answer with it: train registers versions"
            )
        if self.tags.get("previous") and self.previous is None:
            result.append(
                f"its tag previous is {self.tags['previous'][:80]!r}, no number of a version"
            )
        return [display(problem) for problem in result]


def version_of(item: Any) -> Version:
    return Version(int(item.version), item.run_id, dict(item.tags))
