"""What is told of an AI API's configuration: all of it but secrets."""

import json
from dataclasses import replace

import pytest

from gateway import desired
from gateway.configuration import Configured, Truth
from gateway.envoy import routes
from gateway.envoy.resources import compile_tenant
from gateway.envoy.telling import tell
from gateway.views import View
from tests import live
from tests.gateway import ai
from tests.live import Gateway, Upstream


@pytest.fixture
def configured(providers: ai.Providers) -> Configured:
    whole = ai.tenant(ai.ai(*providers))
    (version,) = whole.routes or ()
    return Configured(None, whole, version, Truth.ACKNOWLEDGED)  # type: ignore[arg-type]  # of which nothing is told here


def test_its_clusters_and_secrets_are_named_and_told_without_what_they_hold(configured: Configured) -> None:
    names = [f"acme/ai/{each}/0123" for each in ("k1/openai", "k2/openai", "k3/anthropic", "k3/openai")]
    assert (configured.cluster, configured.clusters, configured.secrets) == ("", names, names)
    told = configured.clusters_told()
    assert [each["name"] for each in told] == names
    assert configured.cluster_told() is None
    assert "sk-canary" not in json.dumps([told, configured.chain_told()])


def test_each_operation_tells_all_of_its_routes(configured: Configured) -> None:
    told = {operation.operation_id: found for operation, found in configured.routes_told(configured.version.operations)}
    chat = told["chatCompletions"]
    assert chat is not None
    matched = [each["match"]["filter_state"][0]["string_match"]["exact"] for each in chat["routes"][:-1]]
    assert matched == ["fast", "openai/gpt-4o", "single"]
    assert "ai" in chat["routes"][-1]["typed_per_filter_config"]
    assert "sk-canary" not in json.dumps(told)
    whole = json.dumps(tell(routes.configuration(configured.whole)))
    assert "sk-canary" not in whole


def test_a_gateway_that_is_too_old_is_told_of_its_operations_alone(
    gateway: Gateway, upstream: Upstream, providers: ai.Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = live.shop(upstream)
    (version,) = ai.tenant(ai.ai(*providers)).routes or ()
    blocked = replace(version, name="v2", refusal="API_BLOCKED")
    monkeypatch.setattr(desired, "_routes", lambda *_, **__: (version, blocked))
    assert desired.read(shop.pk).tenant.routes == (version, blocked)
    old = desired.read(shop.pk, view=View(serves_ai=False)).tenant
    assert [(each.ai, each.refusal) for each in old.routes or ()] == [(None, "GATEWAY_TOO_OLD"), (None, "API_BLOCKED")]
    assert [each.operations for each in old.routes or ()] == [version.operations] * 2
    assert not compile_tenant(old).secrets
