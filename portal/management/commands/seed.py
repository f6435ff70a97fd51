import json
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.demo.data import OPERATOR, seed
from tenants.models import User


class Command(BaseCommand):
    help = "Make the demo's tenants, people and APIs, once. Their passwords go to demo.json under var (0600)."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        if User.objects.filter(email=OPERATOR).exists():
            self.stdout.write("The demo data is there already.")
            return
        sign_ins = seed(settings.UPSTREAM_URL)
        path = settings.VAR / "demo.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:
            json.dump({"sign_ins": sign_ins}, target, indent=2)
        self.stdout.write(f"Made the demo data; the sign-ins stand in {path}.")
