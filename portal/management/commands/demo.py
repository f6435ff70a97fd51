import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.demo.job import Job
from portal.stack import Stack, StackError, ports

PORTS = "ports.json"


class Command(BaseCommand):
    help = "Start the whole stack on free ports, do the main job over HTTP as a client would, and stop it again."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        """Exits 0 only if every step held. The report goes to demo-report.json under var."""
        say = self.stdout.write
        started = time.monotonic()
        # A folder and ports of its own, so that those of `up` are not disturbed; the same in each run, as long as nobody else takes them.
        var = settings.VAR / "demo"
        stack = Stack(var, listen=ports.again(var / PORTS), say=say)
        try:
            with stack:
                ports.remember(stack.ports, var / PORTS)
                say("")
                job = Job(stack.portal_url, stack.gateway_url, stack.upstream_url, stack.sign_ins, stack.provider_url, say=say)
                ok = job.run()
                memory = stack.memory()
                say(f"\nThe whole stack takes {sum(memory.values()) / 1e6:.0f} MB.")
        except StackError as error:
            raise CommandError(str(error)) from error
        report = {
            "ok": ok,
            "steps": [{"name": step.name, "ok": step.ok, "ms": step.ms} for step in job.steps],
            "enforced_ms": job.enforced_ms,
            "key_seconds": job.key_seconds,
            "memory_bytes": memory,
            "seconds": round(time.monotonic() - started, 1),
        }
        path = settings.VAR / "demo-report.json"
        path.write_text(json.dumps(report, indent=2) + "\n")
        say(f"Everything took {report['seconds']} s. The report stands in {path}.")
        if not ok:
            raise CommandError("Not every step held.")
