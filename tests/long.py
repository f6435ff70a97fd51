"""A pytest plugin for `make test-long`: property tests try twenty times as many examples."""

import pytest
from hypothesis import settings

TIMES = 20


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seen = set()
    for item in items:
        test = getattr(item, "obj", None)
        function = getattr(test, "__func__", test)
        # Hypothesis keeps a test's own settings there; there is no public way to change them from outside.
        own = getattr(function, "_hypothesis_internal_use_settings", None)
        if function is not None and own is not None and id(function) not in seen:
            seen.add(id(function))
            function._hypothesis_internal_use_settings = settings(own, max_examples=own.max_examples * TIMES)
