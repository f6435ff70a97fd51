"""The demo's part on AI models, on the whole stack: what a client sees, and, in the end, that no key of a provider lies about."""

import pytest

from portal.demo import models
from portal.demo.job import Job
from tests.e2e.world import World


@pytest.mark.parametrize(("installed", "client"), [(True, "OpenAI's own client"), (False, "httpx, for OpenAI's client is not installed")])
def test_a_model_is_called_until_its_budget_ends(world: World, monkeypatch: pytest.MonkeyPatch, installed: bool, client: str) -> None:
    """The search for secrets at the end of these tests knows the keys by their looks."""
    monkeypatch.setattr(models, "is_installed", lambda: installed)
    stack, told = world.stack, list[str]()
    job = Job(stack.portal_url, stack.gateway_url, stack.upstream_url, stack.sign_ins, stack.provider_url, say=told.append)
    people = job.sign_in_all()
    try:
        job.call_models(people["pam"], people["carl"])
    finally:
        for each in (*people.values(), job._caller):
            each.close()
    assert [step.ok for step in job.steps] == [True] * 5
    said = "\n".join(told)
    assert f"by {client}." in said
    assert f"of {models.TOKENS} tokens: 429 BUDGET_EXCEEDED" in said
