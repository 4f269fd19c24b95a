"""Evidence: what a command found, when, run by whom, and of what.

It counts while that is what is here today.
"""

import json
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from .check_catalogue import SUBJECTS, Subject
from .yaml_loader import StrictModel

Writer = Literal["ci", "local"]


class Evidence(StrictModel):
    """A command's finding.

    `digests` say what it is about; `run` is the CI's run, or empty; `proof` is issuer, repository
    and branch of the token that proved it. Without a proof writer, actor and run are declared only.
    `library` is the version of mlprod that wrote it; empty for sources that are not installed.
    """

    check: str = Field(min_length=1)
    at: AwareDatetime
    writer: Writer
    actor: str = Field(min_length=1)
    run: str = ""
    proof: str = ""
    value: float | str | None = None
    threshold: str | None = None
    passed: bool
    valid_days: int = Field(ge=1, le=366)
    digests: dict[Subject, str] = Field(default_factory=dict)
    library: str = ""

    @classmethod
    def parse(cls, text: str) -> "Evidence | None":
        """The record that some version of mlprod wrote as JSON; None for what is no record.

        What only a later version knows is left out: a check that is tied to it shows as stale.
        """
        try:
            content = json.loads(text)
            known = {key: value for key, value in content.items() if key in cls.model_fields}
            digests = {
                name: value
                for name, value in content.get("digests", {}).items()
                if name in SUBJECTS
            }
            return cls.model_validate_json(json.dumps(known | {"digests": digests}))
        except (ValueError, AttributeError):
            return None


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
