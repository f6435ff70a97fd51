"""What usage counts is what a load generator counted that knows nothing of us, call by call; and the page shows it within five seconds."""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db.models import Sum
from django.test import Client as Browser

from gateway.models import UsageMinute
from tests import live
from tests.live import HOST, Gateway, Shop, Upstream
from tests.portal.pages.test_console import signed_in, text

THREADS, CONNECTIONS = 2, 16
# Of each thread, where it is told how many calls to make.
CALLS = 400
# Longer than these take; wrk itself ends by the clock alone.
LONG, SHORT = "8s", "4s"

# Calls by turns as `tokens` has them, "" for none, and counts answers by their status. wrk leaves calls under way when its time is over and
# counts none of them, so a thread that was told how many to make waits with its next one until then.
SCRIPT = """
local tokens = { %(tokens)s }
local most, threads = %(most)s, {}

function setup(thread) table.insert(threads, thread) end

function init(args) begun, turn, statuses = 0, 0, "" ; counts = {} end

function delay()
  if most > 0 and begun >= most then return 3600000 end
  begun = begun + 1
  return 0
end

function request()
  turn = turn %% #tokens + 1
  local headers = {}
  if tokens[turn] ~= "" then headers["Authorization"] = "Bearer " .. tokens[turn] end
  return wrk.format("GET", nil, headers)
end

function response(status)
  counts[status] = (counts[status] or 0) + 1
  statuses = ""
  for each, many in pairs(counts) do statuses = statuses .. each .. "=" .. many .. " " end
end

function done(summary, latency, requests)
  for _, thread in ipairs(threads) do print("statuses " .. thread:get("statuses")) end
end
"""


@dataclass(frozen=True)
class Said:
    """What wrk says in the end: of all calls, of those that were not answered with success, and by status."""

    requests: int
    refused: int
    statuses: Counter[int]
    ended: float


def wrk(gateway: Gateway, path: str, tokens: list[str], folder: Path, *, most: int, lasts: str) -> Said:
    binary = os.environ.get("PORTICO_WRK") or shutil.which("wrk")
    if binary is None:
        pytest.fail("This test needs wrk. On Debian and Ubuntu: apt-get install wrk.")
    script = folder / "calls.lua"
    script.write_text(SCRIPT % {"tokens": ", ".join(f'"{each}"' for each in tokens), "most": most})
    command = [binary, f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{lasts}", "--timeout", "10s", "-s", str(script)]
    done = subprocess.run([*command, f"http://{HOST}:{gateway.port}{path}"], capture_output=True, text=True, check=True)
    ended, said = time.monotonic(), done.stdout
    assert "Socket errors" not in said, said
    found = re.search(r"(\d+) requests in", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    assert found is not None, said
    statuses: Counter[int] = Counter()
    for status, many in re.findall(r"(\d+)=(\d+)", " ".join(line for line in said.splitlines() if line.startswith("statuses"))):
        statuses[int(status)] += int(many)
    return Said(int(found[1]), int(refused[1]) if refused else 0, statuses, ended)


@dataclass
class World:
    gateway: Gateway
    upstream: Upstream
    shop: Shop
    # Of one who may call, and of one who has no subscription.
    may: str
    may_not: str
    ada: Browser

    def reached(self) -> int:
        return sum(each.headers.get("x-portico-tenant") == self.shop.slug for each in self.upstream.seen)

    def counted(self) -> Counter[tuple[int, str]]:
        """By class of status and code."""
        with self.shop.scope():
            found = UsageMinute.objects.values_list("status_class", "code").annotate(many=Sum("calls"))
            return Counter({(status, code): many for status, code, many in found.order_by("status_class", "code")})

    def shown(self) -> int:
        """The total on the page."""
        said = text(self.ada.get(f"/t/{self.shop.slug}/console/usage/", {"range": "1h"}))
        found = re.search(r"Calls ([\d,]+)", said)
        return int(found[1].replace(",", "")) if found else 0


@pytest.fixture
def world(gateway: Gateway, upstream: Upstream) -> World:
    """One where nothing goes on any more, and everything is counted."""
    shop = live.shop(upstream)
    carl, dora = shop.client(plan=shop.plan(calls=1_000_000)), shop.client("")
    shop.enforced_newest()
    found = World(gateway, upstream, shop, carl.token(), dora.token(), signed_in(shop.person("admin")))
    gateway.settles(200, "", shop.path(), found.may)
    live.eventually(lambda: found.counted()[2, ""] == found.reached())
    return found


def shown_in_time(world: World, total: int, since: float) -> float:
    """How long after `since` the page showed it, which is at most five seconds."""

    def shows() -> bool:
        assert world.shown() == total
        return True

    live.eventually(shows, within=max(5 - (time.monotonic() - since), 0))
    return time.monotonic() - since


def test_usage_is_what_wrk_counted(world: World, tmp_path: Path) -> None:
    """Allowed and refused calls by turns, each of which wrk has seen the end of."""
    before, reached = world.counted(), world.reached()
    said = wrk(world.gateway, world.shop.path(), [world.may, "", world.may_not, world.may], tmp_path, most=CALLS, lasts=LONG)
    assert said.requests == sum(said.statuses.values()) == THREADS * CALLS
    assert said.statuses == {200: THREADS * CALLS // 2, 401: THREADS * CALLS // 4, 403: THREADS * CALLS // 4}
    assert said.refused == said.statuses[401] + said.statuses[403]
    shown_in_time(world, before.total() + said.requests, said.ended)
    assert world.counted() - before == {
        (2, ""): said.statuses[200],
        (4, "TOKEN_MISSING"): said.statuses[401],
        (4, "SUBSCRIPTION_REQUIRED"): said.statuses[403],
    }
    assert world.reached() - reached == said.statuses[200]
    live.stays(lambda: world.counted().total() == before.total() + said.requests, seconds=2)


@pytest.mark.parametrize("refused", [False, True], ids=["allowed", "refused"])
def test_what_wrk_leaves_behind_is_what_was_under_way(world: World, tmp_path: Path, refused: bool) -> None:
    """Until its time is over: it counts no call that is under way then, which are at most as many as its connections."""
    before, reached = world.counted(), world.reached()
    said = wrk(world.gateway, world.shop.path(), [world.may_not if refused else world.may], tmp_path, most=0, lasts=SHORT)
    assert said.refused == (said.requests if refused else 0)

    def all_are_shown() -> int:
        found = world.shown() - before.total()
        assert said.requests <= found <= said.requests + CONNECTIONS
        # To the call: whatever reached the upstream, and nothing else.
        assert refused or found == world.reached() - reached
        return found

    found = live.eventually(all_are_shown, within=max(5 - (time.monotonic() - said.ended), 0))
    took = time.monotonic() - said.ended
    assert world.reached() - reached == (0 if refused else found)
    live.stays(lambda: world.counted().total() - before.total() == found, seconds=2)
    print(f"\nwrk counted {said.requests} calls, usage {found}; the page showed them {took:.1f} s later.")
