"""Evidence: the result of a command, with its time, author and subject.

It counts while its subject is unchanged.
"""

import json
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from .check_catalogue import SUBJECTS, Subject
from .yaml_loader import StrictModel

Writer = Literal["ci", "local"]


class Evidence(StrictModel):
    """The result of a command.

    `digests` has the digest of each subject. `run` is the CI's run, or empty. `proof` is issuer,
    repository and branch of the token that proved it; without a proof, writer, actor and run are
    only declared. `library` is the version of mlprod that wrote it, empty for sources that are not
    installed.
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
        """Parse a record that some version of mlprod wrote as JSON; None if it is not a record.

        Keys and subjects of a later version are left out: a check that is tied to such a subject is
        stale.
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
