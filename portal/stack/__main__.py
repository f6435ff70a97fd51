"""`manage.py up` without Django: what stays in memory as long as the stack runs is only the supervisor."""

import argparse
import os
import signal
import sys
import threading
import time

from portal.stack import memory
from portal.stack.errors import StackError, StopRequestedError
from portal.stack.stack import Stack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STARTED = b"\0"


def say(line: str) -> None:
    """Print a line; a terminal that was closed is no reason to stop."""
    try:
        print(line, flush=True)
    except OSError:
        return


def up(stack: Stack) -> int:
    """Start the stack and keep it until a signal comes. Returns the exit code."""
    read, write = os.pipe()
    _listen_for_signals(write)
    failures: list[Exception] = []
    starter = threading.Thread(target=_start, args=[stack, failures, write])
    starter.start()
    if os.read(read, 1) == STARTED and not failures:
        os.read(read, 1)
    say("")
    started = time.monotonic()
    stack.stop()
    starter.join()
    if any(not isinstance(failure, StopRequestedError) for failure in failures):
        return _explain(failures[0])
    say(f"Stopped … {time.monotonic() - started:.1f} s")
    return 0


def _listen_for_signals(pipe: int) -> None:
    """Let every signal write its number to the pipe.

    The interpreter's own handler does it, at once and in whichever thread the signal arrives. A handler in Python would
    run in the main thread only when that next gets to run, which may be never while it waits on a lock.
    """
    os.set_blocking(pipe, False)
    signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)
    for number in SIGNALS:
        # What nohup or a shell's background told us to ignore stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def _start(stack: Stack, failures: list[Exception], pipe: int) -> None:
    started = time.monotonic()
    try:
        stack.start()
        _introduce(stack, time.monotonic() - started)
    except Exception as failure:  # noqa: BLE001 - told or raised by the main thread
        failures.append(failure)
    finally:
        os.write(pipe, STARTED)


def _explain(failure: Exception) -> int:
    if not isinstance(failure, StackError):
        raise failure
    print(failure, file=sys.stderr)
    return 1


def _introduce(stack: Stack, seconds: float) -> None:
    sizes = memory.of({**stack.pids(), "up": os.getpid()})
    say(f"Ready after {seconds:.1f} s; {len(sizes)} parts take {sum(sizes.values()) / 1e6:.0f} MB.\n")
    say(f"Portal     {stack.portal_url}/")
    say(f"REST       {stack.portal_url}/api/docs/")
    say(f"Gateway    {stack.gateway_url}/")
    if stack.demo:
        say(f"Upstream   {stack.upstream_url}/")
        say(f"AI models  {stack.provider_url}/v1")
        _list_sign_ins(stack.sign_ins)
    say("\nStop with Ctrl-C.")


def _list_sign_ins(sign_ins: list[dict[str, str]]) -> None:
    columns = ("role", "email", "password", "tenant")
    widths = {name: max((len(row[name]) for row in sign_ins), default=0) for name in columns}
    say("\nSign in as")
    for row in sign_ins:
        say("  " + "  ".join(row[name].ljust(widths[name]) for name in columns).rstrip())


def main() -> int:
    """Run with the options of `manage.py up`."""
    parser = argparse.ArgumentParser(prog="manage.py up", description="Start Portico on this machine.")
    parser.add_argument("--no-demo", action="store_true", help="without demo data and its upstream")
    options = parser.parse_args()
    try:
        stack = Stack(demo=not options.no_demo, say=say)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return up(stack)


if __name__ == "__main__":
    sys.exit(main())
