from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Every list of the REST API: by cursor, newest first. Ids are UUIDv7, so they are the order."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
