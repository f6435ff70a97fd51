"""Whom and what the tests of pages begin with."""

import pytest
from django.test import Client

from apis.models import Api
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast


@pytest.fixture
def pam(cast: Cast, client: Client) -> Client:
    client.force_login(cast.pam)
    return client


@pytest.fixture
def orders(cast: Cast) -> Api:
    """Published, with an upstream."""
    with tenant_scope(cast.acme.pk):
        return make.api("orders")
