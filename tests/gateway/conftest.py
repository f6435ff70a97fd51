"""A gateway of AI APIs, one for each file of tests, and its providers, which do as they should when a test begins."""

from collections.abc import Iterator

import pytest

from tests.gateway import ai


@pytest.fixture(scope="module")
def providers() -> Iterator[ai.Providers]:
    found = ai.Provider("A"), ai.Provider("B"), ai.Provider("C")
    yield found
    for each in found:
        each.stop()


@pytest.fixture(scope="module")
def _ai_gateway(providers: ai.Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ai.Gateway]:
    with ai.running(tmp_path_factory.mktemp("ai")) as found:
        found.has(ai.tenant(ai.ai(*providers)))
        yield found


@pytest.fixture
def ai_gateway(_ai_gateway: ai.Gateway, providers: ai.Providers) -> ai.Gateway:
    for each in providers:
        each.does, each.headers, each.repeats, each.pause = "ok", {}, {}, 0.05
        each.seen.clear()
    _ai_gateway.log.entries["calls"].clear()
    _ai_gateway.log.entries["attempts"].clear()
    _ai_gateway.log.entries["contents"].clear()
    return _ai_gateway
