"""A document of 100 MB: it is refused with a sentence, at the cost of neither memory nor time."""

import io
import itertools
import time
import tracemalloc
from typing import Any

import pytest
from django.test import Client

from apis.models import Draft
from tenants.scope import tenant_scope
from tests.conftest import Cast

NEW = "/t/acme/console/new-api/"
HUNDRED_MB = 100 * 1024 * 1024
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.yaml"\r\n\r\n'
TAIL = b"\r\n--x--\r\n"


class Body(io.RawIOBase):
    """So many bytes from a client, none of which is kept."""

    def __init__(self, filling: bytes, size: int) -> None:
        self.parts = itertools.chain([HEAD], itertools.repeat(filling * 10_000, size // len(filling * 10_000)), [TAIL])
        self.length = len(HEAD) + size // len(filling * 10_000) * len(filling * 10_000) + len(TAIL)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self.rest = self.rest or next(self.parts, b"")
        told, self.rest = self.rest[: len(into)], self.rest[len(into) :]
        into[: len(told)] = told
        return len(told)


@pytest.mark.parametrize("filling", [b"#", b"a: b\n", b"\x00", b"[", b"\r\n--y"])
def test_a_document_of_100_mb_costs_little(cast: Cast, client: Client, filling: bytes) -> None:
    client.force_login(cast.pam)
    assert client.get(NEW).status_code == 200
    body = Body(filling, HUNDRED_MB)
    tracemalloc.start()
    before = time.process_time()
    try:
        answer = client.request(
            **{
                "PATH_INFO": NEW,
                "REQUEST_METHOD": "POST",
                "CONTENT_TYPE": "multipart/form-data; boundary=x",
                "CONTENT_LENGTH": str(body.length),
                "wsgi.input": io.BufferedReader(body),
            }
        )
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 422
    assert "The document is larger than 16 MB." in answer.content.decode()
    # What a job may read is held, once in the buffer and once while it is handed on, and not more.
    assert most < 64 * 1024 * 1024
    assert time.process_time() - before < 10
    with tenant_scope(cast.acme.pk):
        assert not Draft.objects.exists()
