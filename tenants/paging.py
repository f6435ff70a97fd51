from collections.abc import Callable
from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from tenants.errors import Invalid


class NewestFirst(CursorPagination):
    """Every list of the REST API: by cursor, newest first. Ids are UUIDv7, so they are the order."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    # Reads what a cursor says of its place, or raises a ValueError.
    position: Callable[[str], object] = UUID

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor: Cursor | None = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                type(self).position(str(cursor.position))
        except (NotFound, ValueError):
            raise Invalid({"cursor": ["This is no page of this list; take the address from “next” as it is."]}) from None
        return cursor
