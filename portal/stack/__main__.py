"""`manage.py up` without Django: what stays in memory as long as the stack runs is only the supervisor."""

import argparse
import os
import signal
import sys
import threading
import time
from queue import SimpleQueue

from portal.stack import memory
from portal.stack.errors import StackError
from portal.stack.stack import Stack

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(line: str) -> None:
    """Print a line; a terminal that was closed is no reason to stop."""
    try:
        print(line, flush=True)
    except OSError:
        return


def up(stack: Stack) -> int:
    """Start the stack and keep it until a signal comes. Returns the exit code."""
    # A queue, because a signal handler may put into it at any moment without a deadlock.
    events: SimpleQueue[StackError | str] = SimpleQueue()
    _listen_for_signals(events)
    starter = threading.Thread(target=_start, args=[stack, events])
    starter.start()
    event = events.get()
    if event == "ready":
        event = events.get()
    say("")
    started = time.monotonic()
    stack.stop()
    starter.join()
    if isinstance(event, StackError):
        print(event, file=sys.stderr)
        return 1
    say(f"Stopped … {time.monotonic() - started:.1f} s")
    return 0


def _listen_for_signals(events: "SimpleQueue[StackError | str]") -> None:
    for number in SIGNALS:
        # What nohup or a shell's background told us to ignore stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: events.put("stop"))


def _start(stack: Stack, events: "SimpleQueue[StackError | str]") -> None:
    started = time.monotonic()
    try:
        stack.start()
    except StackError as error:
        events.put(error)
        return
    _introduce(stack, time.monotonic() - started)
    events.put("ready")


def _introduce(stack: Stack, seconds: float) -> None:
    sizes = memory.of({**stack.pids(), "up": os.getpid()})
    say(f"Ready after {seconds:.1f} s; {len(sizes)} parts take {sum(sizes.values()) / 1e6:.0f} MB.\n")
    say(f"Portal     {stack.portal_url}/")
    say(f"REST       {stack.portal_url}/api/docs/")
    say(f"Gateway    {stack.gateway_url}/")
    if stack.demo:
        say(f"Upstream   {stack.upstream_url}/")
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
