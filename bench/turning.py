"""The tenants of bench.rotation, in a process of its own: Django reads the running stack's settings when it is loaded."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import django
import httpx

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from django.db import connection  # noqa: E402

from apis import openapi  # noqa: E402
from apis.actions import plans, publishing, subscriptions  # noqa: E402
from bench.stage import RESULTS, percentile, report, until  # noqa: E402
from gateway import rotation  # noqa: E402
from keys.actions import policies  # noqa: E402
from keys.actions.applications import register_application  # noqa: E402
from keys.actions.credentials import create_credential  # noqa: E402
from keys.actions.signing import create_tenant  # noqa: E402
from keys.models import SigningKey  # noqa: E402
from portal.demo import ECHO  # noqa: E402
from portal.demo.job import TLS  # noqa: E402
from tenants.models import User  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

TENANTS, ROTATIONS, CALLS, COMPROMISED, SECONDS = 50, 1_000, 200_000, 20, 2.0
USE = SigningKey.Use.ACCESS_TOKEN
WORK = RESULTS / "rotation"

# Reads the tokens again and again, for a thread here renews them; a call that fails says how.
SCRIPT = """
    local calls, number, at = {{}}, 0, 0
    local function read()
        local found = {{}}
        for line in io.lines("{calls}") do
            local path, token = line:match("(%S+) (%S+)")
            found[#found + 1] = wrk.format("GET", path, {{["Authorization"] = "Bearer " .. token}})
        end
        calls = found
    end
    function request()
        if number % 200 == 0 then read() end
        number = number + 1
        at = at % #calls + 1
        return calls[at]
    end
    function response(status, headers, body)
        if status ~= 200 then io.stderr:write("FAILED " .. status .. " " .. (headers["x-portico-refusal"] or "") .. "\\n") end
    end
"""


@dataclass(slots=True)
class Turning:
    """A tenant with one application that calls."""

    pk: UUID
    slug: str
    client_id: str
    secret: str
    token: str = ""
    kid: str = ""
    turns: int = 0
    asked: bool = False

    @property
    def path(self) -> str:
        return f"/{self.slug}/echo/v1/uuid"


def main(portal: str, gateway: str, upstream: str, rotations: int = ROTATIONS) -> int:
    WORK.mkdir(parents=True, exist_ok=True)
    read = openapi.parse(ECHO.read_text())
    tenants = [tenant(number, upstream, read) for number in range(TENANTS)]
    for each in tenants:
        renew(portal, each)
        answers(gateway, each)
    figures: dict[str, Any] = {"tenants": TENANTS}
    started = time.monotonic()
    with calling(gateway, portal, tenants, name="rotation") as calls:
        rotate(tenants, rotations)
    took = time.monotonic() - started
    figures |= {"rotations": sum(each.turns for each in tenants), "seconds": round(took, 1)} | told(calls)
    print(figures, flush=True)
    doomed, others = tenants[:COMPROMISED], tenants[COMPROMISED:]
    with calling(gateway, portal, others, name="compromise") as meanwhile:
        times = [compromise(portal, gateway, each) for each in doomed]
    figures |= {
        "compromised": len(times),
        "refused after, median s": round(percentile(times, 0.5), 3),
        "refused after, most s": round(max(times), 3),
        "goal, s": SECONDS,
        "calls of others meanwhile, failed": told(meanwhile)["calls that failed"],
    }
    report("rotation", figures)
    enough = rotations < ROTATIONS or int(figures["calls"]) >= CALLS
    return bool(figures["calls that failed"] or max(times) >= SECONDS or not enough)


def tenant(number: int, upstream: str, read: Any) -> Turning:
    slug = f"turning-{time.time_ns()}"
    made = create_tenant(slug=slug, name=f"Turning {number}", by=None, jwks_max_age=5)
    owner, approver = (User.objects.create_user(f"{who}-{slug}@example.com", None) for who in ("owner", "approver"))
    with tenant_scope(made.pk):
        policies.change_policy({"token_lifetime": 60, "overlap": 60}, by=None)
        api = publishing.create_api(slug="echo", name="Echo", description="", by=None)
        version = publishing.add_version(api, name="v1", by=None)
        target = publishing.check_target(upstream)
        publishing.make_live(publishing.add_revision(version, document=read, target=target, by=None), by=None)
        version.refresh_from_db()
        publishing.publish(version, by=None)
        plan = plans.create(api, name="wide", calls=1_000_000, seconds=1, approval="manual", by=None)
        plans.publish(plan, by=None)
        application = register_application(name="Caller", purpose="Calls all the time.", environment="live", by=owner)
        _, secret = create_credential(application, by=owner)
        asked, _ = subscriptions.request(application, api=api, plan=plan, purpose="Calls.", by=owner)
        subscriptions.approve(asked, by=approver)
    return Turning(made.pk, slug, application.client_id, secret)


def renew(portal: str, each: Turning, client: httpx.Client | None = None) -> None:
    ask = client or httpx.Client(verify=TLS, trust_env=False)
    form = {"grant_type": "client_credentials", "client_id": each.client_id, "client_secret": each.secret}
    answer = ask.post(f"{portal}/t/{each.slug}/oauth/token", data=form)
    answer.raise_for_status()
    each.token = answer.json()["access_token"]


def answers(gateway: str, each: Turning) -> None:
    """Wait until its calls pass."""
    with httpx.Client(verify=TLS, trust_env=False, headers={"Authorization": f"Bearer {each.token}"}) as caller:
        until(lambda: caller.get(f"{gateway}{each.path}").status_code == 200)


# Calls


@contextmanager
def calling(gateway: str, portal: str, tenants: Sequence[Turning], *, name: str) -> Iterator[list[str]]:
    """Calls of all of them in turn, each with a token of the last seconds; yields what wrk said, once it has ended."""
    calls, script = WORK / f"{name}.txt", WORK / f"{name}.lua"
    script.write_text(SCRIPT.format(calls=calls))
    _write(calls, tenants)
    stop = threading.Event()

    def keep_fresh() -> None:
        with httpx.Client(verify=TLS, trust_env=False) as client:
            while not stop.wait(1):
                for each in tenants:
                    renew(portal, each, client)
                _write(calls, tenants)

    said: list[str] = []
    fresh = threading.Thread(target=keep_fresh)
    fresh.start()
    command = [str(shutil.which("wrk")), "-t1", "-c8", "-d86400s", "-s", str(script), gateway]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    reader.start()
    try:
        yield said
    finally:
        # Interrupted, wrk still tells its figures.
        process.send_signal(2)
        out = process.stdout.read() if process.stdout else ""
        process.wait()
        reader.join()
        said.append(out)
        stop.set()
        fresh.join()


def _write(calls: Any, tenants: Sequence[Turning]) -> None:
    """All at once: wrk may be reading."""
    new = calls.with_suffix(".new")
    new.write_text("".join(f"{each.path} {each.token}\n" for each in tenants))
    new.replace(calls)


def told(said: Sequence[str]) -> dict[str, Any]:
    failed: dict[str, int] = {}
    for line in said:
        if line.startswith("FAILED"):
            failed[line.strip()] = failed.get(line.strip(), 0) + 1
    found = re.search(r"(\d+) requests in", said[-1])
    errors = re.search(r"Socket errors: .*", said[-1])
    if errors:
        failed[errors[0]] = 1
    return {"calls": int(found[1]) if found else 0, "calls that failed": sum(failed.values()), "how": str(failed)}


# Keys


def rotate(tenants: Sequence[Turning], rotations: int) -> None:
    """Each tenant's next rotation begins when its last has ended; the worker's job does what is due."""
    each_turns = rotations // len(tenants)
    for each in tenants:
        each.kid = signing(each)
    with ThreadPoolExecutor(max_workers=4) as threads:
        while any(each.turns < each_turns for each in tenants):
            for each in tenants:
                if each.asked and (kid := signing(each)) != each.kid:
                    each.kid, each.asked = kid, False
                    each.turns += 1
                if not each.asked and each.turns < each_turns:
                    each.asked = True
                    threads.submit(_rotate, each)
            time.sleep(0.5)
            print(f"\r{sum(each.turns for each in tenants)} rotations", end="", flush=True)
    print()


def _rotate(each: Turning) -> None:
    try:
        rotation.rotate_now(each.pk, USE, by=None)
    finally:
        connection.close()


def signing(each: Turning) -> str:
    with tenant_scope(each.pk):
        return SigningKey.objects.values_list("kid", flat=True).get(purpose=USE, status="active")


def compromise(portal: str, gateway: str, each: Turning) -> float:
    """Seconds from the order to the first call that is refused."""
    renew(portal, each)
    with tenant_scope(each.pk):
        key = SigningKey.objects.get(purpose=USE, status="active")
    refused: list[float] = []

    def watch() -> None:
        with httpx.Client(verify=TLS, trust_env=False) as caller:
            while not refused:
                if caller.get(f"{gateway}{each.path}", headers={"Authorization": f"Bearer {each.token}"}).status_code == 401:
                    refused.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    rotation.compromise(each.pk, key.pk, by=None, reason="A measurement.")
    watcher.join(10)
    return refused[0] - started if refused else 10.0


if __name__ == "__main__":
    portal, gateway, upstream, *many = sys.argv[1:]
    raise SystemExit(main(portal, gateway, upstream, *map(int, many)))
