"""Whether the servers that Portico needs answer."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection


def database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        connection.close()
        return False
    return True


def broker() -> bool:
    try:
        with redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=0.2, socket_connect_timeout=0.2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
