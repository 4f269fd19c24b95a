"""Drills on a running service: smoke test, kill switch and rollback.

Each one leaves evidence.
"""

import contextlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from ..atomic_write import atomic_write
from ..contract.dates import text_of
from ..contract.validation import prepare
from ..governance.check_catalogue import Subject, catalogue
from ..governance.evidence import Evidence, utc_now
from ..governance.evidence_status import judge_evidence
from ..installation.installed import read_library
from ..loopback import describe_proxy, open_address
from ..modes import SAFEST, DecisionMode
from ..project.project import Seam
from ..records.smoke import SMOKE_ID_PREFIX
from ..records.store import Store
from ..training.evidence_store import finding, read_evidence
from ..training.predecessors import predecessors, reason_unusable
from ..training.promotion import promote, rollback
from ..training.registry import CHAMPION, Registry

# Seconds until the service must show a change.
DRILL_TIMEOUT = 60.0
# For this long, a drill of the CI need not be repeated for the same code.
VALIDITY = timedelta(days=7)
# Rows of the data from which the one with the highest score is chosen.
SAMPLE_ROWS = 500


class DrillError(Exception):
    """The service did not pass the drill; the message describes what it did."""


class KeyRefusedError(DrillError):
    """The service refuses the key, or requires one."""


@dataclass(frozen=True)
class DrilledService:
    """A service at an address (http://host:port), and an API key if the service requires one."""

    address: str
    key: str = ""

    def require_accepted_key(self) -> None:
        """Check that the service accepts the key. Raises DrillError if it does not."""
        try:
            self.call("model")
        except OSError:
            return  # it may start later
        except KeyRefusedError as error:
            given = "refuses the key in ML_SERVICE_KEY" if self.key else "requires a key"
            raise KeyRefusedError(
                f"{self.address} {given}; the champion was not moved. Works: set ML_SERVICE_KEY to "
                "a key of the service"
            ) from error

    def call(self, route: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to a route under /v1 and return its JSON.

        Raises DrillError if the service refuses or the response is not JSON, and OSError if nothing
        responds.
        """
        url = f"{self.address}/v1/{route}"
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {self.key}"} if self.key else {}
        )
        body = None if content is None else json.dumps(content).encode()
        try:
            # The user of the command chooses the address.
            request = urllib.request.Request(url, body, headers)  # noqa: S310
            with open_address(request, 10) as response:
                result: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            message = f"{url} responded with {error.code}: {detail}{describe_proxy(url)}"
            if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise KeyRefusedError(message) from error
            raise DrillError(message) from error
        except (HTTPException, ValueError) as error:
            raise DrillError(
                f"{url}: the response is not one of this service: "
                f"{error}{describe_proxy(self.address)}"
            ) from error
        return result

    def wait_for(
        self, holds: Callable[[dict[str, Any]], object], what: str, seconds: float = 0.0
    ) -> float:
        """Wait until `holds` is true of the JSON of /v1/model; return the seconds that it took.

        `what` names the expected state in the error. Raises DrillError if it is not reached within
        `seconds`, or DRILL_TIMEOUT.
        """
        start, timeout, last = time.monotonic(), seconds or DRILL_TIMEOUT, "no request was sent"
        while time.monotonic() - start < timeout:
            try:
                facts = self.call("model")
                if holds(facts):
                    return time.monotonic() - start
                last = f"version {facts['model_version']} in mode {facts['mode']}"
            except KeyError as error:
                last = f"a response without {error}, so not one of this service"
            except KeyRefusedError:
                raise
            except DrillError as error:
                last = str(error)
            except OSError as error:
                last = f"{error}{describe_proxy(self.address)}"
            time.sleep(0.05)
        raise DrillError(
            f"{self.address} did not reach {what} within {timeout:g} s; last seen: {last}"
        )


def smoke_test(service: DrilledService, seam: Seam, digests: dict[Subject, str]) -> list[Evidence]:
    """Send a row of the data to the service; check prediction, reasons, outcome and feedback.

    Raises DrillError or OSError.
    """
    facts = service.call("model")
    if "smoke" not in facts["roles"]:
        roles = " ".join(f"--role {role}" for role in ("predict", "outcomes", "feedback", "smoke"))
        raise DrillError(
            f"the key {facts['caller']!r} does not have the role 'smoke', so its requests would "
            f"count as cases; nothing was sent. Works: create-key --name smoke {roles}"
        )
    row = highest_scoring_row(service, seam)
    id = SMOKE_ID_PREFIX + uuid.uuid4().hex
    (prediction,) = service.call("predict", {"rows": [row | {"id": id}]})["predictions"]
    if prediction["id"] != id or not isinstance(prediction["score"], float | int):
        raise DrillError(f"the prediction for {id} has another id or no score: {prediction}")
    reasons = service.call("explain", {"rows": [row]})["explanations"][0]["fields"]
    # A prediction reaches the database a fifth of a second after its response.
    time.sleep(1)
    received = {
        "prediction_id": id,
        "outcome": facts.get("classes", [1])[0],
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    outcome = service.call("outcomes", {"outcomes": [received]})
    message = {"prediction_id": id, "verdict": "accepted", "reviewer": "smoke"}
    feedback = service.call("feedback", {"feedback": [message]})
    stored = (
        outcome["accepted"] == feedback["accepted"] == 1
        and not outcome["unknown"]
        and not feedback["unknown"]
    )
    version = f"version {facts['model_version']}, {len(reasons)} fields explained"
    return [
        finding("served-end-to-end", bool(reasons), digests, version),
        finding("feedback-works", stored, digests, f"outcome {outcome}, feedback {feedback}"),
    ]


def kill_switch_drill(
    service: DrilledService,
    store: Store,
    who: str,
    digests: dict[Subject, str],
    file: Path | None = None,
) -> list[Evidence]:
    """Use the kill switch, time it, and restore the mode before.

    It is used through the database, as `make set-mode` does, and through the mode file if one is
    given. The slower time counts. Raises DrillError before anything is switched if the service is
    in shadow mode, if it uses another database, or if the file is in use. If somebody else uses the
    kill switch meanwhile, the service stays in shadow mode.
    """
    known, facts = store.mode(), service.call("model")
    shown, source = facts["mode"], facts.get("mode_source", "database")
    if shown == DecisionMode.SHADOW:
        raise DrillError(
            "the service is in shadow mode, so the kill switch would change nothing. "
            "Works: a service in assist or automate mode"
        )
    if source in ("file", "replica"):
        raise DrillError(
            f"the {source}, not the database, sets the mode {shown} of the service; nothing was "
            f"switched"
        )
    if known and known.mode != shown:
        raise DrillError(
            f"the service is in {shown} mode, but this database records {known.mode}; nothing was "
            f"switched. Does the service use another database?"
        )
    if file and file.exists():
        raise DrillError(f"the mode file {file} is in use; nothing was switched. Remove it first")
    drill = store.set_mode(SAFEST, who, "kill switch drill")
    try:
        seconds = service.wait_for(
            lambda facts: facts["mode"] == DecisionMode.SHADOW, "shadow mode"
        )
    finally:
        store.set_mode(shown, who, "kill switch drill: restored", after=drill)
    if file:
        service.wait_for(lambda facts: facts["mode"] == shown, f"the mode {shown}")
        seconds = max(seconds, _switch_by_file(service, file))
    return [finding("stop-drilled", seconds <= 5, digests, round(seconds, 3))]


def _switch_by_file(service: DrilledService, file: Path) -> float:
    """Switch to shadow mode by the mode file; return the seconds that it took.

    The file is removed afterwards, unless somebody else has written to it.
    """
    content = b"shadow kill switch drill"
    atomic_write(file, content, 0o644)
    try:
        return service.wait_for(
            lambda facts: facts["mode_source"] == "file", f"shadow mode through {file}"
        )
    finally:
        with contextlib.suppress(OSError):
            if file.read_bytes() == content:
                file.unlink()


def rollback_drill(
    service: DrilledService, registry: Registry, who: str, digests: dict[Subject, str]
) -> list[Evidence]:
    """Roll back to the version before, wait until the service serves it, and promote again.

    The time of the rollback counts. If somebody else moves the champion meanwhile, it stays there.
    Raises DrillError, and NoTargetVersionError if the champion has no predecessor.
    """
    before, after = rollback(registry, who, "rollback drill")
    try:
        seconds = service.wait_for(
            lambda facts: facts["model_version"] == str(after.number), f"version {after.number}"
        )
    finally:
        champion = registry.get_by_alias(CHAMPION)
        if champion and champion.number == after.number:
            promote(registry, who, "rollback drill: restored", before.number)
    service.wait_for(
        lambda facts: facts["model_version"] == str(before.number), f"version {before.number}"
    )
    return [finding("rollback-drilled", seconds <= 60, digests, round(seconds, 3))]


def reason_to_skip(registry: Registry, digests: dict[Subject, str]) -> str:
    """Return why an unattended rollback drill must be skipped; empty if it may run.

    It is skipped if production follows the registry, if no earlier version exists, or if the CI ran
    it with the same code within a week.
    """
    champion = registry.get_by_alias(CHAMPION)
    if registry.environment() == "production":
        return "production follows this registry too: run the drill by hand, while somebody watches"
    if champion is None or all(map(reason_unusable, predecessors(registry, champion))):
        return "no earlier version exists to roll back to"
    entry = catalogue().entry("rollback-drilled")
    library, now = read_library(Path()), utc_now()
    result = (
        judge_evidence(entry, read_evidence(registry), digests, now, library=library, only_ci=True)
        if entry
        else None
    )
    if result and result.status == "passed" and result.record and now - result.record.at < VALIDITY:
        return f"the CI already ran the drill with this code: {result.why}"
    return ""


def highest_scoring_row(service: DrilledService, seam: Seam) -> dict[str, Any]:
    """Return the row of the data with the highest score, out of SAMPLE_ROWS rows."""
    # A CSV gives whole numbers as floats, and yes or no as 0 and 1.
    table = prepare(seam.load(), seam.terms).select(*seam.terms.fields.names)
    result = table.limit(SAMPLE_ROWS).to_pyarrow().to_pylist()
    whole = {field.name for field in seam.terms.fields if field.kind == "integer"}
    rows = [
        {
            name: int(value)
            if name in whole
            else text_of(value)
            if isinstance(value, date)
            else value
            for name, value in row.items()
            if value is not None and value == value
        }
        for row in result
    ]
    named = [row | {"id": SMOKE_ID_PREFIX + uuid.uuid4().hex} for row in rows]
    predictions = service.call("predict", {"rows": named})["predictions"]
    scores = [item["score"] for item in predictions]
    return rows[scores.index(max(scores))]
