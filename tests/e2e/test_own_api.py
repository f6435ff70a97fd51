"""Portico takes its own medicine: what it tells over REST passes its own gateway."""

from portal.demo.job import Job
from tests.e2e.world import World


def test_portico_is_called_through_its_own_gateway(world: World) -> None:
    stack = world.stack
    job = Job(stack.portal_url, stack.gateway_url, stack.upstream_url, stack.sign_ins)
    people = job.sign_in_all()
    try:
        job.call_own(people["petra"])
    finally:
        for client in (*people.values(), job._caller):
            client.close()
