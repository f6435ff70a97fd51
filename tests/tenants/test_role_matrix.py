"""Every role at every address of its own tenant: let in where the table of docs/roles.md says so. New addresses join by themselves."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from tenants.models import Role
from tenants.roles import PERMISSIONS
from tests import turns
from tests.conftest import Rest
from tests.tenants.test_isolation import ADDRESSES, World, address, answer, world

__all__ = ["world"]
REFUSED = "Your roles here don't include"


def documented() -> dict[str, frozenset[str]]:
    """Role -> permissions, as the table for people has them."""
    rows = [line.split("|")[1:-1] for line in (Path(settings.BASE_DIR) / "docs/roles.md").read_text().splitlines() if line.startswith("|")]
    head = [cell.strip() for cell in rows[0]]
    table = {row[0].strip().strip("`"): [cell.strip() for cell in row] for row in rows[2:]}
    return {role: frozenset(name for name, cells in table.items() if cells[head.index(role)] == "x") for role in Role.values}


HELD = documented()


def views() -> dict[str, Any]:
    """By the address's template: what stands there."""

    def walk(found: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for each in found:
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, prefix + str(each.pattern))
            elif isinstance(each, URLPattern):
                yield re.sub(r"<\w+:(\w+)>", r"{\1}", prefix + str(each.pattern)), each.callback

    return dict(walk(get_resolver().url_patterns, "/"))


def needed(view: Any) -> dict[str, str]:
    """Method -> the permission that the view asks for; nothing where it asks for none. A page asks before it looks at the method."""
    access = getattr(getattr(view, "cls", view), "access", None)
    asked = access if isinstance(access, dict) else {"GET": access}
    return {method: permission for method, permission in asked.items() if permission in PERMISSIONS}


VIEWS = views()
GATED = [(name, path) for name, path, _ in ADDRESSES if needed(VIEWS[path])]


def test_the_table_names_every_role_and_permission() -> None:
    assert set().union(*HELD.values()) == set(PERMISSIONS)
    assert all(HELD.values())


def test_nearly_every_address_asks_for_a_permission() -> None:
    assert {name for name, *_ in ADDRESSES} - {name for name, _ in GATED} == OPEN_TO_SOME


# The way in, for those who are no members yet.
OPEN_TO_SOME = {"join"}


@pytest.mark.parametrize("name,path", GATED)  # fmt: skip
def test_each_role_is_let_in_where_the_table_says_so(db: None, world: World, rest: Rest, name: str, path: str) -> None:
    globex = world.cast.globex
    there = address(path, globex.slug, world.ids[globex.pk])
    asked = set(needed(VIEWS[path]).values())
    # Of those who may do all of it one, and one of those who may not.
    by_right = {right: [role for role in Role.values if (asked <= HELD[role]) == right] for right in (True, False)}
    for role in turns.some(by_right[True], name) + turns.some(by_right[False], path):
        person = world.strangers[role]
        client = rest(person)
        if there.startswith("/t/"):
            client.force_login(person)
        for method, permission in needed(VIEWS[path]).items():
            status, text, _ = answer(client, method, there)
            refused = status == 403 and REFUSED in text and permission in text
            assert refused == (permission not in HELD[role]), f"{role} {method} {there}: {status} {text[:200]}"
