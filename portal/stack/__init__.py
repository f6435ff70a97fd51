"""The embedded stack: real servers from wheels, and every process of Portico, on one machine.

`manage.py up` runs it; tests and the demo use the same classes. Nothing here imports Django.
"""

from portal.stack.errors import StackError
from portal.stack.ports import Ports
from portal.stack.postgres import Postgres
from portal.stack.stack import Stack
from portal.stack.valkey import Valkey

__all__ = ["Ports", "Postgres", "Stack", "StackError", "Valkey"]
