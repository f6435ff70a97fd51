"""Whether what a program changes is still as it read it: ETag and If-Match (RFC 9110 §8.8.3, §13.1.1)."""

import hashlib

from django.utils.http import parse_etags
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException


class Changed(APIException):
    """It is not as the sender read it, or there is nothing to compare (412)."""

    status_code = 412
    default_detail = _("This has changed since you read it. Read it again before you change it.")


def etag(body: bytes) -> str:
    """Of what an address answers: a strong one, since the same data are the same bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def insist(wanted: str, body: bytes) -> None:
    """
    :param wanted: what `If-Match` says. :param body: what the address answers now.
    :raises Changed: it is none of these.
    """
    tags = parse_etags(wanted)
    if "*" not in tags and etag(body) not in tags:
        raise Changed
