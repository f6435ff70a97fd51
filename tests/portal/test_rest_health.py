"""Alive, ready, and the pages that explain the REST API."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from gateway.models import ControlProcess


def test_alive_asks_nothing(client: Client) -> None:
    """No database in this test: a probe of a process that lost it must still say that the process lives."""
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.parametrize("control", [True, False])
def test_ready_names_each_part(db: None, client: Client, control: bool) -> None:
    if control:
        ControlProcess.objects.create(seen_at=timezone.now())
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"database": True, "broker": True, "control": control}


def test_ready_without_a_broker_still_serves(db: None, client: Client, settings: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["broker"] is False


def test_not_ready_without_the_database(committed: None, client: Client, tmp_path: Path) -> None:
    there = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = str(tmp_path / "secret")
    try:
        response = client.get("/readyz")
    finally:
        connection.close()
        connection.settings_dict["HOST"] = there
    assert response.status_code == 503
    assert response.json() == {"database": False, "broker": True, "control": False}
    assert b"secret" not in response.content


def test_every_answer_carries_its_request_id_and_the_safe_headers(client: Client) -> None:
    given = client.get("/healthz", headers={"x-request-id": "abc-1"})
    assert given["X-Request-ID"] == "abc-1"
    for bad in ("a b", "x" * 65, "ü", "<b>"):
        assert client.get("/healthz", headers={"x-request-id": bad})["X-Request-ID"] not in {bad, ""}
    assert given["X-Content-Type-Options"] == "nosniff"
    assert given["X-Frame-Options"] == "DENY"
    assert given["Referrer-Policy"] == "same-origin"


def test_the_bare_address_leads_to_the_sign_in(db: None, client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=%2F")


def test_a_host_that_is_not_ours_is_refused(client: Client) -> None:
    assert client.get("/api/v1/tenants/", headers={"host": "evil.example"}).status_code == 400
    assert "*" not in settings.ALLOWED_HOSTS


def test_the_schema_and_its_page_are_public(db: None, client: Client) -> None:
    schema = client.get("/api/v1/schema/", headers={"accept": "application/json"})
    assert schema.status_code == 200
    assert schema.json()["info"]["title"] == "Portico"
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert b"https://cdn" not in page.content
