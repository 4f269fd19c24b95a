"""A running service, tried for real: does it answer, can it be stopped, is there a way back?

Each leaves evidence.
"""

import contextlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

from ..atomic_write import atomic_write
from ..governance.check_catalogue import Subject, catalogue
from ..governance.evidence import Evidence, utc_now
from ..governance.evidence_status import judge
from ..installation.installed import read_library
from ..loopback import open_address, proxy_of
from ..modes import SAFEST, DecisionMode
from ..project.project import Seam
from ..records.smoke import SMOKE_ID_PREFIX
from ..records.store import Store
from ..training.evidence_store import finding, read
from ..training.predecessors import predecessors, unusable
from ..training.promotion import promote, rollback
from ..training.registry import CHAMPION, Registry

WAIT = 60.0  # seconds until something must have arrived
VALIDITY = timedelta(days=7)  # enough for a drill of the same code
LOOKED_AT = 500  # rows of the data, among which the most remarkable one is asked


class DrillError(Exception):
    """The service did not do what was tried; the message says what it did."""


@dataclass(frozen=True)
class DrilledService:
    """A service at an address (http://host:port), and a key for it where one is needed."""

    address: str
    key: str = ""

    def ask(self, route: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a route under /v1 answers.

        Raises DrillError for a refusal and for an answer of something else, OSError when nobody
        answers.
        """
        url = f"{self.address}/v1/{route}"
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {self.key}"} if self.key else {}
        )
        body = None if content is None else json.dumps(content).encode()
        try:
            request = urllib.request.Request(url, body, headers)  # noqa: S310 - the caller's address
            with open_address(request, 10) as response:
                result: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise DrillError(f"{url} answered {error.code}: {detail}{proxy_of(url)}") from error
        except (HTTPException, ValueError) as error:
            raise DrillError(
                f"{url} is not answered by this service: {error}{proxy_of(self.address)}"
            ) from error
        return result

    def wait_for(
        self, holds: Callable[[dict[str, Any]], object], what: str, seconds: float = 0.0
    ) -> float:
        """Seconds until what /v1/model says `holds`.

        Raises DrillError when it does not within `seconds`, or WAIT.
        """
        began, longest, last = time.monotonic(), seconds or WAIT, "nothing was asked"
        while time.monotonic() - began < longest:
            try:
                facts = self.ask("model")
                if holds(facts):
                    return time.monotonic() - began
                last = f"version {facts['model_version']} in mode {facts['mode']}"
            except KeyError as error:
                last = f"an answer without {error}, so not of this service"
            except DrillError as error:
                last = str(error)
            except OSError as error:
                last = f"{error}{proxy_of(self.address)}"
            time.sleep(0.05)
        raise DrillError(
            f"{what} did not come to hold at {self.address} within {longest:g} s; last seen: {last}"
        )


def smoke(service: DrilledService, seam: Seam, digests: dict[Subject, str]) -> list[Evidence]:
    """A row of the data goes in, its score, reasons, outcome and feedback come back.

    Raises DrillError or OSError.
    """
    facts = service.ask("model")
    if "smoke" not in facts["roles"]:
        roles = " ".join(f"--role {role}" for role in ("predict", "outcomes", "feedback", "smoke"))
        raise DrillError(
            f"the key {facts['caller']!r} has not the role 'smoke', so what it tries would "
            f"count as a case; nothing "
            f"was sent. What works is a key that has it: create-key --name smoke {roles}"
        )
    row = highest_scoring_row(service, seam)
    id = SMOKE_ID_PREFIX + uuid.uuid4().hex
    (answer,) = service.ask("predict", {"rows": [row | {"id": id}]})["predictions"]
    if answer["id"] != id or not isinstance(answer["score"], float | int):
        raise DrillError(f"asked for {id}, and the answer was {answer}")
    reasons = service.ask("explain", {"rows": [row]})["explanations"][0]["fields"]
    time.sleep(1)  # a prediction is in the database a fifth of a second after its answer
    received = {
        "prediction_id": id,
        "outcome": 1,
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    outcome = service.ask("outcomes", {"outcomes": [received]})
    message = {"prediction_id": id, "verdict": "accepted", "reviewer": "smoke"}
    feedback = service.ask("feedback", {"feedback": [message]})
    taken = (
        outcome["accepted"] == feedback["accepted"] == 1
        and not outcome["unknown"]
        and not feedback["unknown"]
    )
    version = f"version {facts['model_version']}, {len(reasons)} fields explained"
    return [
        finding("served-end-to-end", bool(reasons), digests, version),
        finding("feedback-works", taken, digests, f"outcome {outcome}, feedback {feedback}"),
    ]


def stop_drill(
    service: DrilledService,
    store: Store,
    who: str,
    digests: dict[Subject, str],
    file: Path | None = None,
) -> list[Evidence]:
    """Stop through the database, as `make set-mode` does, and through the mode file, if one is
    given; time both, and go back to the mode before. The slower counts.

    Raises DrillError, before anything is switched, when there is nothing to stop, when the service
    does not live on this database, or when the file is in use. A stop that somebody else orders
    meanwhile stays.
    """
    known, facts = store.mode(), service.ask("model")
    shown, source = facts["mode"], facts.get("mode_source", "database")
    if shown == DecisionMode.SHADOW:
        raise DrillError(
            "the service is in shadow: there is nothing to stop; drill where it is in "
            "assist or automate"
        )
    if source in ("file", "replica"):
        raise DrillError(
            f"the service is in {shown} through the {source}, not its database: nothing "
            f"was switched"
        )
    if known and known.mode != shown:
        raise DrillError(
            f"the service is in {shown}, its database says {known.mode}: is this its database?"
        )
    if file and file.exists():
        raise DrillError(f"{file} is in use: remove it first; nothing was switched")
    drill = store.set_mode(SAFEST, who, "stop drill")
    try:
        seconds = service.wait_for(lambda facts: facts["mode"] == DecisionMode.SHADOW, "the stop")
    finally:
        store.set_mode(shown, who, "stop drill: as before", after=drill)
    if file:
        service.wait_for(lambda facts: facts["mode"] == shown, "the mode before")
        seconds = max(seconds, _stop_by_file(service, file))
    return [finding("stop-drilled", seconds <= 5, digests, round(seconds, 3))]


def _stop_by_file(service: DrilledService, file: Path) -> float:
    """Write the mode file, wait until the service stops through it, and remove it unless somebody
    else has written.
    """
    content = b"shadow stop drill"
    atomic_write(file, content, 0o644)
    try:
        return service.wait_for(
            lambda facts: facts["mode_source"] == "file", f"the stop through {file}"
        )
    finally:
        with contextlib.suppress(OSError):
            if file.read_bytes() == content:
                file.unlink()


def rollback_drill(
    service: DrilledService, registry: Registry, who: str, digests: dict[Subject, str]
) -> list[Evidence]:
    """Back to the version before, until it answers; then forward again.

    The time is that of the way back.

    Raises DrillError, and NoTargetVersionError when nothing came before the champion. A champion
    that somebody moves meanwhile stays where it was moved.
    """
    before, after = rollback(registry, who, "rollback drill")
    try:
        seconds = service.wait_for(
            lambda facts: facts["model_version"] == str(after.number), f"version {after.number}"
        )
    finally:
        champion = registry.get_by_alias(CHAMPION)
        if champion and champion.number == after.number:
            promote(registry, who, "rollback drill: as before", before.number)
    service.wait_for(
        lambda facts: facts["model_version"] == str(before.number), f"version {before.number}"
    )
    return [finding("rollback-drilled", seconds <= 60, digests, round(seconds, 3))]


def reason_to_skip(registry: Registry, digests: dict[Subject, str]) -> str:
    """Why a drill that nobody watches moves nothing: production follows, nothing is to go back to,
    or the CI has tried this very code within a week. Empty when it may.
    """
    champion = registry.get_by_alias(CHAMPION)
    if registry.environment() == "production":
        return "production follows this registry too: drill by hand, while somebody watches"
    if champion is None or all(map(unusable, predecessors(registry, champion))):
        return "there is no version yet to go back to"
    entry = catalogue().entry("rollback-drilled")
    library, now = read_library(Path()), utc_now()
    result = (
        judge(entry, read(registry), digests, now, library=library, only_ci=True) if entry else None
    )
    if result and result.status == "passed" and result.record and now - result.record.at < VALIDITY:
        return f"the CI drilled this code already: {result.why}"
    return ""


def highest_scoring_row(service: DrilledService, seam: Seam) -> dict[str, Any]:
    """Of some rows of the data, the one that the service scores highest."""
    result = seam.load().select(*seam.terms.fields.names).limit(LOOKED_AT).to_pyarrow().to_pylist()
    rows = [{name: value for name, value in row.items() if value is not None} for row in result]
    named = [row | {"id": SMOKE_ID_PREFIX + uuid.uuid4().hex} for row in rows]
    scores = [answer["score"] for answer in service.ask("predict", {"rows": named})["predictions"]]
    return rows[scores.index(max(scores))]
