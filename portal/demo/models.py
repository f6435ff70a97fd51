"""The demo's part on AI models: a provider, an AI API, a stream by OpenAI's own client, what it cost, and a budget that ends."""

import importlib.util
import json
import os
import secrets
import subprocess  # nosec B404
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from portal.demo.call import StepFailed, expect
from portal.demo.provider import KEY, MODELS

MODEL = MODELS[0]
# What a million tokens cost; much, so that a few can be seen.
PRICES = {"input": 500, "output": 1500}
# What a subscription may use up in a month: two or three calls of the demo's.
TOKENS = 60
PLAN = {"name": "demo", "calls": 100, "seconds": 1, "approval": "automatic", "budget": {"tokens": TOKENS}}
ASKED = "Say good morning to Ada, who approves all day long"
ANSWER = f"You wrote: {ASKED}"
SECONDS = 5.0
# As an application would have it: where and with which key stands in its environment. Its own client reads that.
PROGRAM = """
import json, sys, openai
said, pieces = "", 0
with openai.OpenAI() as client:
    asked = [{"role": "user", "content": sys.argv[2]}]
    for chunk in client.chat.completions.create(model=sys.argv[1], messages=asked, stream=True):
        for choice in chunk.choices:
            said, pieces = said + (choice.delta.content or ""), pieces + 1
print(json.dumps({"said": said, "pieces": pieces}))
"""


def is_installed() -> bool:
    """Whether OpenAI's client is."""
    return importlib.util.find_spec("openai") is not None


@dataclass(slots=True)
class Models:
    """:param tenant: its address over REST. :param gateway: with the tenant's slug. :param provider: its base URL."""

    pam: httpx.Client
    carl: httpx.Client
    tenant: str
    gateway: str
    provider: str
    register: Callable[[str], dict[str, str]]
    say: Callable[[str], None]
    slug: str = ""
    subscription: str = ""
    application: str = ""
    key: str = field(default="", repr=False)
    # How the stream was asked for.
    client: str = ""

    def publish(self) -> None:
        """Its first key is used up from the beginning, so that each call goes on to the second."""
        taken = {each["slug"] for each in expect(self.pam.get(f"{self.tenant}/apis/?limit=200"), 200)["results"]}
        self.slug = next(name for number in count(1) if (name := f"models-{number}") not in taken)
        used_up, good = (f"{KEY}-{what}-{secrets.token_hex(16)}" for what in ("429-canary", "canary"))
        about = {"kind": "custom", "slug": self.slug, "name": f"The mock of {self.slug}", "url": self.provider, "key": used_up}
        expect(self.pam.post(f"{self.tenant}/providers/", json=about), 201)
        one = f"{self.tenant}/providers/{self.slug}"
        second = expect(self.pam.post(f"{one}/keys/", json={"label": "2", "key": good, "priority": 2}), 201)
        tested = expect(self.pam.post(f"{one}/keys/{second['id']}/test/"), 200)
        if not tested["works"]:
            raise StepFailed(f"The key does not work: {tested['sentence']}")
        expect(self.pam.post(f"{one}/models/", json={"name": MODEL, **PRICES}), 201)
        api = {"slug": self.slug, "name": f"Models {self.slug}", "models": [self.model], "plans": [PLAN]}
        expect(self.pam.post(f"{self.tenant}/ai-apis/", json=api), 201)

    @property
    def model(self) -> str:
        return f"{self.slug}/{MODEL}"

    @property
    def base(self) -> str:
        """What is given to clients."""
        return f"{self.gateway}/{self.slug}/v1"

    def subscribe(self) -> None:
        self.application = self.register(self.slug)["application"]
        made = expect(self.carl.post(f"{self.tenant}/applications/{self.application}/credentials/", json={"kind": "api_key"}), 201)
        self.key = made["api_key"]
        wanted = {"application": self.application, "api": self.slug, "plan": PLAN["name"], "purpose": "The demo."}
        asked = expect(self.carl.post(f"{self.tenant}/subscriptions/", json=wanted), 201)
        if asked["status"] != "active":
            raise StepFailed(f"The subscription is {asked['status']}, not active.")
        self.subscription = f"{self.tenant}/subscriptions/{asked['id']}/"
        self._until_there()

    def stream(self) -> None:
        has = is_installed()
        self.client = "OpenAI's own client" if has else "httpx, for OpenAI's client is not installed"
        found = self._by_openai() if has else self._by_httpx()
        if found["said"] != ANSWER or found["pieces"] < 5:
            raise StepFailed(f"The stream says {found}.")
        self.say(f"               “{found['said']}” in {found['pieces']} pieces, by {self.client}.")
        self.say("               The provider's first key is used up; the second one answered.")

    def counted(self) -> None:
        """What the stream used, and what that costs, on the application's usage page a moment later."""
        started = time.monotonic()
        while not (found := self._used())["output"]:
            if time.monotonic() - started > SECONDS:
                raise StepFailed(f"No token is counted after {SECONDS:.0f} s.")
            time.sleep(0.1)
        after = time.monotonic() - started
        cost = (found["input"] * PRICES["input"] + found["output"] * PRICES["output"]) / 1e6
        told = {each["currency"]: float(each["amount"]) for each in found["cost"]}
        if found["output"] != len(ANSWER.split()) or list(told.values()) != [cost]:
            raise StepFailed(f"The usage is told as {found}.")
        said = ", ".join(f"{amount:g} {currency}" for currency, amount in told.items())
        self.say(f"               {found['input']} tokens in, {found['output']} out, {said}: seen after {after:.1f} s")

    def refused(self) -> None:
        """Until the budget is reached; then each call is refused, by its code."""
        started = time.monotonic()
        while (answer := self._call(stream=False)).status_code == 200:
            if time.monotonic() - started > 4 * SECONDS:
                raise StepFailed("The budget refuses nobody.")
            time.sleep(0.2)
        code = answer.json().get("error", {}).get("code")
        if (answer.status_code, code) != (429, "BUDGET_EXCEEDED"):
            raise StepFailed(f"The gateway answered {answer.status_code} {answer.text[:300]}.")
        found = self._standing()
        self.say(f"               {found['tokens']} of {TOKENS} tokens: 429 BUDGET_EXCEEDED")

    def _used(self) -> dict[str, Any]:
        address = f"{self.tenant}/applications/{self.application}/token-usage/"
        found: dict[str, Any] = expect(self.carl.get(address, params={"range": "1h"}), 200)["total"]
        return found

    def _standing(self) -> dict[str, Any]:
        found: dict[str, Any] = expect(self.carl.get(self.subscription), 200)["budget"]
        return found

    def _until_there(self) -> None:
        """The subscription is told to gateways within a second."""
        started = time.monotonic()
        headers = {"Authorization": f"Bearer {self.key}"}
        while (answer := httpx.get(f"{self.base}/models", headers=headers, trust_env=False)).status_code != 200:
            if time.monotonic() - started > SECONDS:
                raise StepFailed(f"The gateway answers {answer.status_code} {answer.text[:300]}.")
            time.sleep(0.05)

    def _by_openai(self) -> dict[str, Any]:
        """In a process of its own: it is not of what Portico needs to run."""
        environment = {"PATH": os.defpath, "OPENAI_BASE_URL": self.base, "OPENAI_API_KEY": self.key}
        command = [sys.executable, "-c", PROGRAM, self.model, ASKED]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # nosec B603  (ours)
        if done.returncode:
            raise StepFailed(f"OpenAI's client ended with {done.stderr[-500:]}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _by_httpx(self) -> dict[str, Any]:
        told = [line.removeprefix("data: ") for line in self._call(stream=True).text.splitlines() if line.startswith("data: {")]
        pieces = [each["delta"].get("content") or "" for line in told for each in json.loads(line)["choices"]]
        return {"said": "".join(pieces), "pieces": len(pieces)}

    def _call(self, *, stream: bool) -> httpx.Response:
        body = {"model": self.model, "messages": [{"role": "user", "content": ASKED}], "stream": stream}
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.post(f"{self.base}/chat/completions", json=body, headers=headers, timeout=20, trust_env=False)
