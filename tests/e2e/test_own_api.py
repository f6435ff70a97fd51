"""Portico takes its own medicine: what it tells over REST passes its own gateway."""

import pytest

from portal.demo import job
from portal.demo.job import Job
from tests.e2e.world import World
from tests.turns import within


def test_portico_is_called_through_its_own_gateway(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SETTLE_SECONDS", within(job.SETTLE_SECONDS))
    stack = world.stack
    mine = Job(stack.portal_url, stack.gateway_url, stack.upstream_url, stack.sign_ins)
    people = mine.sign_in_all()
    try:
        mine.call_own(people["petra"])
    finally:
        for client in (*people.values(), mine._caller):
            client.close()
