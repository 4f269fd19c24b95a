"""Dependency container of the service."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..bundle.runtime import Scores
from ..bundle.trial import Trials
from ..contract.classes import Decide
from ..contract.schema import Columns, ContractSchema
from ..project.extension_loader import Extensions
from ..records.event_log import EventLog
from ..records.mode_memory import ModeMemory
from ..records.mode_sources import SwitchFolder
from ..records.outcome_stats import Payoff
from ..settings import Settings
from .admin_app import create_admin_app
from .api_keys import ApiKeys
from .app import create_app
from .explain import ExplainHandler
from .exploration import Exploration
from .load_shedding import LoadLimits
from .logs import AccessLog, log
from .metrics import Metrics
from .middleware import GatewayApp
from .mode_follower import ModeFollower
from .mode_state import ModeState
from .model_loader import ModelLoader
from .outcome_metrics import OutcomeMetrics
from .own_callers import OwnCallers
from .own_checks import OwnChecks
from .own_metrics import OwnMetrics
from .predict_handler import PredictHandler
from .readiness import Readiness
from .record_routes import RecordRoutes
from .record_shipper import RecordShipper
from .same_origin import origin_rule
from .switching import ModeHandler

REFRESH_SECONDS = 0.5  # between two checks of the keys, and of the event log


class Container:
    """Parts of a service.

    `service` is the application of the API port, `operations` of the admin port. `running` is their
    lifespan.
    """

    def __init__(
        self,
        terms: ContractSchema,
        baseline: Callable[[Columns], Scores],
        decide: Decide,
        payoff: Payoff,
        settings: Settings,
        explored: Exploration | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        """Raises KeysError, EventLogError or ExtensionError if a part cannot be used."""
        self.extensions = own = extensions or Extensions()
        own_metrics = OwnMetrics(own.metrics) if own.metrics else None
        self.own_checks = OwnChecks(own.checks) if own.checks else None
        self.metrics, self.access = Metrics(settings.zero_seconds, own_metrics), AccessLog()
        self.spool = EventLog(settings.spooled, settings.event_log_max_mb * 1_000_000)
        self.keys = ApiKeys(settings.keys_file, settings.spooled / "salt")
        self.limits = LoadLimits(
            settings.max_body_bytes, settings.max_concurrency, settings.max_queue_seconds
        )
        self.models = ModelLoader(
            settings.models,
            terms.fields,
            baseline,
            self.metrics,
            settings.allow_pickle,
            settings.model_megabytes,
            Trials(),
        )
        local = settings.environment == "local"
        self.outcome_metrics = OutcomeMetrics(terms, payoff, self.models, self.metrics)
        self.keeper = RecordShipper(
            settings.records_url, self.spool, self.metrics, self.outcome_metrics.count
        )
        memory, switches = ModeMemory(settings.spooled / "mode"), SwitchFolder(settings.switches)
        self.mode_state = ModeState(
            memory, switches, settings.mode_file, settings.first_mode, self.metrics
        )
        self.mode_follower = ModeFollower(self.mode_state, settings.records_url)
        predict = PredictHandler(
            terms, self.models, decide, self.spool, self.mode_state, self.metrics, explored
        )
        record_routes = RecordRoutes(self.models, self.keeper, self.keys, self.metrics)
        mode_handler = ModeHandler(self.mode_state, self.mode_follower, free=local)
        self.routes = create_app(
            settings.model_name,
            terms,
            self.models,
            ExplainHandler(terms, self.models),
            record_routes,
            mode_handler,
            self.mode_state,
            self.keys,
            self.limits,
            self.metrics,
        )
        self.routes.router.lifespan_context = lambda _: self.running()
        readiness = Readiness(
            self.models,
            self.mode_state,
            self.spool,
            self.keys,
            lambda: self.service.draining,
            self.own_checks,
        )
        origin = None if settings.keys_file else origin_rule(settings.host)
        common = self.keys, self.limits, self.metrics, self.access
        own_callers = OwnCallers(own.authenticate, self.keys) if own.authenticate else None
        self.service = GatewayApp(self.routes, predict, *common, readiness, origin, own_callers)
        self.operations = create_admin_app(
            readiness, self.metrics, origin_rule(settings.admin_host)
        )
        self.metrics.keys_valid.set_function(lambda: not self.keys.error)
        self.metrics.event_log_writable.set_function(lambda: not self.spool.refusal_reason)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the model and run the threads; at the end, ship the waiting records if possible."""
        stop = threading.Event()
        # On a thread, because a new model is tried first. The admin port serves meanwhile.
        await asyncio.to_thread(self.models.reload_if_changed)
        threads = [
            threading.Thread(
                target=self.models.watch, args=(stop,), daemon=True, name="watch-models"
            ),
            threading.Thread(
                target=self.keeper.run, args=(stop,), daemon=True, name="keep-records"
            ),
            threading.Thread(
                target=self.mode_follower.run_files, args=(stop,), daemon=True, name="mode-files"
            ),
            threading.Thread(
                target=self.mode_follower.run_database,
                args=(stop,),
                daemon=True,
                name="mode-database",
            ),
            threading.Thread(
                target=self._watch_log, args=(stop,), daemon=True, name="watch-event-log"
            ),
        ]
        if self.own_checks:
            watch = self.own_checks.watch
            threads.append(
                threading.Thread(target=watch, args=(stop,), daemon=True, name="own-checks")
            )
        if names := self.extensions.names:
            log.info("extensions", extra={"facts": {"functions": names}})
        for thread in threads:
            thread.start()
        tasks = [
            asyncio.create_task(self.limits.heartbeat()),
            asyncio.create_task(self._refresh_keys()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            stop.set()
            for thread in threads:
                await asyncio.to_thread(thread.join, 15)
            self.access.flush()
            log.info("ended", extra={"facts": {"waiting": self.spool.events}})
            self.spool.close()

    def _watch_log(self, stop: threading.Event) -> None:
        while not stop.wait(REFRESH_SECONDS):
            try:
                if message := self.spool.check():
                    log.error(message)
            except Exception:
                # this thread must live, because no other one checks the event log
                log.exception("the check of the event log failed")

    async def _refresh_keys(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                if message := self.keys.refresh():
                    log.warning(message)
            except Exception:
                # a removed key must not remain valid because one check failed
                log.exception("the check of the keys failed")
            self.access.flush()
