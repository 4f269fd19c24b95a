"""Services in this process, and callers of theirs."""

import contextlib
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from seams import binary
from starlette.testclient import TestClient
from trained_models import Trained

from mlprod.project.project import Seam
from mlprod.serving.container import Container
from mlprod.serving.logs import logging_to_output
from mlprod.settings import Settings
from mlprod.testing.waiting import eventually, point


def assemble(seam: Seam, settings: Settings) -> Container:
    return Container(seam.terms, seam.baseline, seam.decide, seam.payoff, settings)


class Client(TestClient):
    """A caller of a service; `operations` asks its second port."""

    running: ClassVar[
        list["Client"]
    ] = []  # that of a module goes on beside that of a test, and logs to the same place

    def __init__(self, assembly: Container, headers: dict[str, str] | None = None) -> None:
        super().__init__(
            assembly.service, "http://localhost", raise_server_exceptions=False, headers=headers
        )
        self.assembly, self.operations = (
            assembly,
            TestClient(assembly.operations, "http://localhost"),
        )

    def flush(self) -> None:
        """Log the requests up to now, in the thread in which the service does it by itself every
        half second.
        """
        assert self.portal
        self.portal.call(self.assembly.access.flush)


@contextlib.contextmanager
def serve(seam: Seam, settings: Settings) -> Iterator[Client]:
    """A running service, once it has looked up its mode."""
    assembly = assemble(seam, settings)
    with Client(assembly) as client:
        eventually(lambda: assembly.keeper.checked and assembly.mode_state.checked)
        Client.running.append(client)
        try:
            yield client
        finally:
            Client.running.remove(client)


@pytest.fixture
def client(trained: Trained, settings: Settings) -> Iterator[Client]:
    """A service that answers with the model as version 1."""
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as result:
        yield result


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What services log to standard output from now on; asking for it ends the logging."""
    for client in Client.running:
        client.flush()  # or the lines of requests of tests before come within the next half second
    with contextlib.ExitStack() as logging:
        logging.enter_context(logging_to_output())

        def message() -> str:
            logging.close()
            return capsys.readouterr().out

        yield message
