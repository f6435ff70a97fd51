"""Nothing changes in a tenant that is suspended: every address there is, now and later, is tried."""

from typing import Any
from uuid import uuid4

import pytest
from django.urls import resolve

from tenants.people import tenants
from tenants.roles import PERMISSIONS
from tests.conftest import Rest
from tests.tenants.test_isolation import ADDRESSES, World, address, world

__all__ = ["world"]
# What helps out of it, and what is a person's own.
STILL = {
    "export", "tenant-close", "tenant-reopen", "console-settings-export", "console-settings-close", "console-settings-reopen",
    "inbox-read", "inbox-preferences", "rest-inbox-read", "rest-inbox-preferences", "rest-notification-read",
}  # fmt: skip
SAID = "This tenant is suspended: Bills."


def view_of(path: str, parameters: set[str]) -> Any:
    """Any id does, and a number where one is asked for."""
    for value in (str(uuid4()), "1", "access_token"):
        try:
            found = resolve(path.format(**{**dict.fromkeys(parameters, value), "number": "1"})).func
        except Exception:  # noqa: BLE001  (the pattern wants another kind of value)
            continue
        return getattr(found, "cls", found)
    raise AssertionError(path)


def for_members(view: Any) -> bool:
    """Whether the door asks for a permission. What asks otherwise sees to it itself."""
    return isinstance(view.access, dict) or view.access in PERMISSIONS


VIEWS = {name: view_of(path, parameters) for name, path, parameters in ADDRESSES}
GUARDED = [each for each in ADDRESSES if for_members(VIEWS[each[0]])]


def test_what_may_go_on_is_a_closed_list() -> None:
    assert {name for name, view in VIEWS.items() if getattr(view, "even_suspended", False)} == STILL
    assert len(GUARDED) >= 80


@pytest.mark.parametrize("name,path,parameters", GUARDED)  # fmt: skip
def test_nothing_can_be_sent_to_a_suspended_tenant(db: None, world: World, rest: Rest, name: str, path: str, parameters: set[str]) -> None:
    cast = world.cast
    tenants.suspend(cast.globex, reason="Bills.", by=cast.olga)
    client = rest(cast.eve)
    client.force_login(cast.eve)
    ids = {**dict.fromkeys(parameters, str(uuid4())), **world.ids[cast.globex.pk]}
    there = address(path, "globex", ids)
    response = client.post(there, {}, headers={"accept": "application/json"})
    if name in STILL:
        assert SAID not in getattr(response, "content", b"").decode()
    else:
        assert (response.status_code, response.json()["detail"]) == (409, SAID)
    # To strangers it looks as before.
    assert rest(cast.ada).post(there, {}, headers={"accept": "application/json"}).status_code in {401, 404}
