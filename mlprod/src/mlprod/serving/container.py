"""The parts of a service, put together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ..bundle.runtime import Scores
from ..bundle.trial import Trials
from ..contract.schema import Columns, ContractSchema
from ..project.extension_loader import Extensions
from ..records.event_log import EventLog
from ..records.mode_memory import ModeMemory
from ..records.mode_sources import SwitchFolder
from ..records.outcome_stats import Payoff
from ..settings import Settings
from .admin_app import operations
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
from .same_origin import same_origin
from .switching import Switching

LOOK_SECONDS = 0.5  # between two looks at keys, and at the event log


class Container:
    """`service` answers callers, `operations` those who run it; `running` is their life."""

    def __init__(
        self,
        terms: ContractSchema,
        baseline: Callable[[Columns], Scores],
        decide: Callable[[float, float], Any],
        payoff: Payoff,
        settings: Settings,
        explored: Exploration | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        """Raises KeysError, SpoolError and ExtensionError for what cannot be used."""
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
        self.results = OutcomeMetrics(terms, payoff, self.models, self.metrics)
        self.keeper = RecordShipper(
            settings.records_url, self.spool, self.metrics, self.results.count
        )
        memory, switches = ModeMemory(settings.spooled / "mode"), SwitchFolder(settings.switches)
        self.mode_state = ModeState(
            memory, switches, settings.mode_file, settings.first_mode, self.metrics
        )
        self.mode_follower = ModeFollower(self.mode_state, settings.records_url)
        predict = PredictHandler(
            terms, self.models, decide, self.spool, self.mode_state, self.metrics, explored
        )
        remember = RecordRoutes(self.models, self.keeper, self.keys, self.metrics)
        switching = Switching(self.mode_state, self.mode_follower, free=local)
        self.routes = create_app(
            settings.model_name,
            terms,
            self.models,
            ExplainHandler(terms, self.models),
            remember,
            switching,
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
        origin = None if settings.keys_file else same_origin(settings.host)
        common = self.keys, self.limits, self.metrics, self.access
        own_callers = OwnCallers(own.authenticate, self.keys) if own.authenticate else None
        self.service = GatewayApp(self.routes, predict, *common, readiness, origin, own_callers)
        self.operations = operations(readiness, self.metrics, same_origin(settings.admin_host))
        self.metrics.keys_valid.set_function(lambda: not self.keys.error)
        self.metrics.event_log_writable.set_function(lambda: not self.spool.refuses)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The model is loaded when this begins; what was answered is shipped, if it can be, when it
        ends.
        """
        stop = threading.Event()
        await asyncio.to_thread(
            self.models.look
        )  # the second port answers meanwhile: a new model is tried first
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
        tasks = [asyncio.create_task(self.limits.heartbeat()), asyncio.create_task(self._look())]
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
        while not stop.wait(LOOK_SECONDS):
            try:
                if news := self.spool.check():
                    log.error(news)
            except Exception:  # this thread must live: it is the only one that looks
                log.exception("looking at the event log failed")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if message := self.keys.refresh():
                    log.warning(message)
            except Exception:  # a key that was taken away must not go on because of one bad look
                log.exception("looking for keys failed")
            self.access.flush()
