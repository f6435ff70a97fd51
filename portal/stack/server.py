"""A server that runs alone, for tests, or as a part of the whole stack."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from portal.stack.places import Places
from portal.stack.processes import Program, Say, Supervisor


class Server(ABC):
    """One server under `var`: a context manager, or `start()` and `stop()`.

    Given a supervisor it is one of that supervisor's parts and stops with them. Alone it brings its own, and is ended
    even when this process is killed.
    """

    name: str

    def __init__(self, var: Path, *, supervisor: Supervisor | None = None, say: Say = print) -> None:
        self.places = Places(var)
        self._alone = supervisor is None
        self._supervisor = supervisor or Supervisor(self.places.state / f"{self.name}.json", say=say)
        self._say = say

    def start(self) -> Self:
        """Start it, and return when it is ready to be used. Raises StackError."""
        self.places.make()
        if self._alone:
            self._supervisor.open()
        try:
            self.set_up()
            self._supervisor.start(self.program()).wait_ready()
            self.finish()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop it and return when it is gone; under a stack's supervisor that one stops it."""
        if self._alone:
            self._supervisor.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def program(self) -> Program:
        """What to run."""

    def set_up(self) -> None:  # noqa: B027 - most servers need nothing
        """Whatever has to be there before it starts."""

    def finish(self) -> None:  # noqa: B027 - most servers need nothing
        """Whatever is to be done once it runs, before anybody uses it."""
