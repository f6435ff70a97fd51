"""The main job, done over HTTP as a client would: publish, register, ask, be refused, approve, call, suspend, resume, retire."""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import httpx

from portal.demo import ECHO, OWN_PLAN, OWN_SLUG, OWN_TENANT
from portal.demo.call import Call, StepFailed, expect
from portal.demo.change import Change
from portal.demo.counted import Counted
from portal.demo.goodbye import Goodbye
from portal.demo.hook import Hook
from portal.demo.models import Models
from portal.demo.rotation import Rotation

# A plan that the demo can exhaust in a blink.
PLAN = {"name": "demo", "calls": 20, "seconds": 1, "approval": "manual"}
SETTLE_SECONDS = 5.0
# One for all clients: reading every authority there is takes longer than a call.
TLS = ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    ok: bool
    ms: float
    detail: str = ""


def _client(base: str = "") -> httpx.Client:
    return httpx.Client(base_url=base, timeout=20, trust_env=False, verify=TLS)


@dataclass(slots=True)
class Job:
    """`sign_ins` as the seed wrote them. `say` gets one line per step."""

    portal: str
    gateway: str
    upstream: str
    sign_ins: list[dict[str, str]]
    provider: str = ""
    say: Callable[[str], None] = print
    steps: list[Step] = field(default_factory=list)
    enforced_ms: dict[str, float] = field(default_factory=dict)
    key_seconds: dict[str, float] = field(default_factory=dict)
    _caller: httpx.Client = field(default_factory=_client)

    def run(self) -> bool:
        """Every step in order, up to the first that fails. Whether all held."""
        try:
            self._run()
        except (StepFailed, httpx.HTTPError) as error:
            self.say(f"  ✗ {error}")
            self.steps.append(Step("the rest", ok=False, ms=0, detail=str(error)))
        return all(step.ok for step in self.steps)

    def _run(self) -> None:
        people = self._step("Pam, Carl, Ada and Eve sign in", self.sign_in_all)
        ada, acme = people["ada"], "/api/v1/tenants/acme"
        hook = Hook(ada, acme, self.say)
        self._step("Ada has approvals sent to a server of the demo's own, by a webhook", hook.listen)
        try:
            self._run_told(people, hook)
        finally:
            hook.close()

    def _run_told(self, people: dict[str, httpx.Client], hook: Hook) -> None:
        acme, globex = "/api/v1/tenants/acme", "/api/v1/tenants/globex"
        pam, carl, ada, eve = (people[name] for name in ("pam", "carl", "ada", "eve"))
        slug = self._step("Pam publishes an API from its OpenAPI document", lambda: self.publish(pam, acme))
        mine = self._step("Carl registers an application and gets a client secret", lambda: self.register(carl, acme, slug))
        asked = self._step("Carl asks for a subscription", lambda: self.ask(carl, acme, mine["application"], slug))
        self._step("A rule of Ada's approves what a test application asks for", lambda: self.rule(ada, carl, acme, slug))
        token = self._step("The application gets an access token", lambda: self.token(mine))
        call = Call(f"{self.gateway}/acme/{slug}/v1/get", token)
        pending = "The call is refused: SUBSCRIPTION_PENDING"
        self._step(pending, lambda: self._settles(call, 403, "SUBSCRIPTION_PENDING"))
        one = f"{acme}/subscriptions/{asked}"
        self._step("Ada asks what it is for before she decides, and Carl answers", lambda: self.talk(ada, carl, one))
        self._step(
            "Ada approves; the same token passes the gateway",
            lambda: self._decide(ada, f"{one}/approve/", call, status=200),
        )
        self._step("The upstream sees who calls, and no token", lambda: self._identity(call, mine["client_id"]))
        self._step("The plan's limit is reached: 429 RATE_LIMITED, Retry-After", lambda: self._limited(call))
        self._step(
            "Ada suspends; the same token is refused: SUBSCRIPTION_SUSPENDED",
            lambda: self._decide(
                ada,
                f"{one}/suspend/",
                call,
                status=403,
                code="SUBSCRIPTION_SUSPENDED",
                reason="The demo wants to see it refused.",
            ),
        )
        self._step(
            "Ada resumes; the same token passes again",
            lambda: self._decide(ada, f"{one}/resume/", call, status=200),
        )
        foreign = self._step("Eve at Globex gets a token of her own tenant", lambda: self.token(self.register(eve, globex, "foreign")))
        self._step(
            "Her token at Acme's API is refused: TOKEN_INVALID",
            lambda: self._answers(Call(call.url, foreign), 401, "TOKEN_INVALID"),
        )
        self._step("Acme looks to Eve as if it did not exist", lambda: expect(eve.get(f"{acme}/apis/"), 404))
        self._step("Carl reads why his calls were refused", lambda: self._refusals(carl, acme, mine["application"]))
        rotation = Rotation(ada, acme, call.url, lambda: self.token(mine), self._status, self.say)
        self._step("Ada rotates the signing key while the application calls", rotation.rotate)
        # Later than the approval, so that it costs none of the ten seconds in which that can be undone.
        self._step("The webhook has told of Ada's approval, signed; the outside library verifies it", lambda: hook.hears(asked))
        self._step("Ada declares that key compromised; what it signed is refused", rotation.compromise)
        self.key_seconds = rotation.seconds
        going = Call(call.url, self.token(mine))
        goodbye = Goodbye(pam, carl, f"{acme}/apis/{slug}/", self.upstream, mine["application"], going, self._get, self.say)
        change = Change(pam, f"{acme}/apis/{slug}/versions/v1/", self.upstream, mine["name"], going, self._settles, self.say)
        self._step("Pam takes an operation away: refused, naming who calls it; with a reason it goes live", change.breaks)
        self._step("Pam goes back to the revision before; the same token passes again", change.goes_back)
        counted = Counted(carl, f"{acme}/applications/{mine['application']}/usage/", going, self._status, self.say)
        self._step("What the application calls is counted, and stands on its usage page within five seconds", counted.seen)
        self._step("Pam publishes v2 and deprecates v1; its answers say until when, and what comes after", goodbye.deprecate)
        self._step("v1 is retired once Carl knows: 410 API_RETIRED, and v2 answers", goodbye.retire)
        if self.provider:
            self.call_models(pam, carl)
        self._step("Portico's own REST API is called through its own gateway", lambda: self.call_own(people["petra"]))

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            result = work()
        except (StepFailed, httpx.HTTPError) as error:
            self._note(Step(name, ok=False, ms=_since(started), detail=str(error)))
            raise
        self._note(Step(name, ok=True, ms=_since(started)))
        return result

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        self.say(f"{step.ms:8.1f} ms  {'✓' if step.ok else '✗'} {step.name}")

    # Who

    def sign_in_all(self) -> dict[str, httpx.Client]:
        return {each["email"].partition("@")[0]: self._sign_in(each) for each in self.sign_ins}

    def _sign_in(self, account: dict[str, str]) -> httpx.Client:
        client = _client(self.portal)
        body = {"email": account["email"], "password": account["password"]}
        client.headers["Authorization"] = f"Bearer {expect(client.post('/api/v1/session/', json=body), 200)['access']}"
        return client

    # What

    def publish(self, pam: httpx.Client, tenant: str) -> str:
        taken = {each["slug"] for each in expect(pam.get(f"{tenant}/apis/?limit=200"), 200)["results"]}
        slug = next(name for number in count(1) if (name := f"demo-{number}") not in taken)
        api = f"{tenant}/apis/{slug}"
        expect(
            pam.post(f"{tenant}/apis/", json={"slug": slug, "name": f"Demo {slug}", "description": "Made by the demo."}),
            201,
        )
        expect(pam.post(f"{api}/versions/", json={"name": "v1"}), 201)
        revision = {"document": ECHO.read_text(), "upstream": {"url": self.upstream}, "note": "First import"}
        expect(pam.post(f"{api}/versions/v1/revisions/", json=revision), 201)
        expect(pam.post(f"{api}/versions/v1/revisions/1/live/"), 200)
        expect(pam.post(f"{api}/plans/", json=PLAN), 201)
        expect(pam.post(f"{api}/plans/{PLAN['name']}/publish/"), 200)
        expect(pam.post(f"{api}/versions/v1/publish/"), 200)
        return slug

    def register(self, person: httpx.Client, tenant: str, about: str) -> dict[str, str]:
        body = {"name": f"Demo client of {about} {time.time_ns()}", "purpose": "Shows the main job."}
        application = expect(person.post(f"{tenant}/applications/", json=body), 201)
        credential = expect(person.post(f"{tenant}/applications/{application['id']}/credentials/", json={}), 201)
        return {**credential, "application": application["id"], "name": application["name"]}

    def ask(self, carl: httpx.Client, tenant: str, application: str, slug: str) -> str:
        body = {"application": application, "api": slug, "plan": PLAN["name"], "purpose": "The demo."}
        asked = expect(carl.post(f"{tenant}/subscriptions/", json=body), 201)
        if asked["status"] != "pending":
            raise StepFailed(f"The subscription is {asked['status']}, not pending.")
        return str(asked["id"])

    def rule(self, ada: httpx.Client, carl: httpx.Client, tenant: str, slug: str) -> None:
        """Made, looked at, switched on; and deleted, so that the demo's people go on deciding."""
        about = {"name": f"Demo {time.time_ns()}", "outcome": "automatic", "environment": "test", "most_per_minute": 60_000}
        one = f"{tenant}/approval-rules/{expect(ada.post(f'{tenant}/approval-rules/', json=about), 201)['id']}/"
        expect(ada.get(f"{one}replay/"), 200)
        expect(ada.patch(one, json={"enabled": True}), 200)
        body = {"name": f"Demo tests {time.time_ns()}", "purpose": "Shows a rule.", "environment": "test"}
        application = expect(carl.post(f"{tenant}/applications/", json=body), 201)["id"]
        wanted = {"application": application, "api": slug, "plan": PLAN["name"], "purpose": "The demo."}
        try:
            asked = expect(carl.post(f"{tenant}/subscriptions/", json=wanted), 201)
        finally:
            expect(ada.delete(one), 204)
        if asked["status"] != "active":
            raise StepFailed(f"The subscription is {asked['status']}, not active.")

    def talk(self, ada: httpx.Client, carl: httpx.Client, one: str) -> None:
        question, answer = "How many calls a day?", "A few, to show it."
        if expect(ada.post(f"{one}/ask/", json={"text": question}), 200)["asked_at"] is None:
            raise StepFailed("Nobody waits for the answer.")
        expect(carl.post(f"{one}/answer/", json={"text": answer}), 200)
        said = [each["text"] for each in expect(ada.get(f"{one}/messages/"), 200)["results"]]
        if said != [answer, question]:
            raise StepFailed(f"What was said is told as {said}.")

    def token(self, credential: dict[str, str]) -> str:
        answer = self._caller.post(
            credential["token_endpoint"],
            data={"grant_type": "client_credentials"},
            auth=(credential["client_id"], credential["client_secret"]),
        )
        return str(expect(answer, 200)["access_token"])

    # Calls

    def call_models(self, pam: httpx.Client, carl: httpx.Client) -> None:
        acme = "/api/v1/tenants/acme"
        models = Models(
            pam, carl, acme, f"{self.gateway}/acme", f"{self.provider}/v1", lambda about: self.register(carl, acme, about), self.say
        )
        self._step("Pam connects a provider of AI models, and publishes a model of its with a budget", models.publish)
        self._step("Carl subscribes an application to it, and gets an API key", models.subscribe)
        self._step("The application asks the model, and hears a stream", models.stream)
        self._step("What it used and what that cost is seen within five seconds", models.counted)
        self._step("The budget is used up: 429 BUDGET_EXCEEDED", models.refused)

    def call_own(self, petra: httpx.Client) -> None:
        """As any other API: an application, a subscription, a token. It reads there, as the service account behind it may, and no more."""
        tenant = f"/api/v1/tenants/{OWN_TENANT}"
        mine = self.register(petra, tenant, OWN_SLUG)
        body = {"application": mine["application"], "api": OWN_SLUG, "plan": OWN_PLAN, "purpose": "The demo."}
        expect(petra.post(f"{tenant}/subscriptions/", json=body), 201)
        call = Call(f"{self.gateway}/{OWN_TENANT}/{OWN_SLUG}/v1/tenants/{OWN_TENANT}/apis/", self.token(mine))
        self._answers(Call(call.url, "nobody's"), 401, "TOKEN_INVALID")
        self._settles(call, 200)
        told = [each["slug"] for each in self._get(call).json()["results"]]
        if told != [OWN_SLUG]:
            raise StepFailed(f"Portico tells of {told} through its gateway.")
        refused = {"slug": "mine", "name": "Mine", "description": ""}
        expect(self._caller.post(call.url, headers=call.headers, json=refused), 403)

    def _answers(self, call: Call, status: int, code: str = "") -> httpx.Response:
        answer = self._get(call)
        if (answer.status_code, answer.headers.get("x-portico-refusal", "")) != (status, code):
            raise StepFailed(f"The gateway answered {answer.status_code} {answer.text[:300]}, not {status} {code}.")
        return answer

    def _get(self, call: Call) -> httpx.Response:
        return self._caller.get(call.url, headers=call.headers)

    def _status(self, call: Call) -> int:
        return self._get(call).status_code

    def _settles(self, call: Call, status: int, code: str = "") -> None:
        """The answer comes within the second that what only adds access is gathered for."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                self._answers(call, status, code)
            except StepFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _decide(self, ada: httpx.Client, decision: str, call: Call, *, status: int, code: str = "", **body: str) -> None:
        """Decide while calling, and note how long after the decision the first changed answer came; then read the receipt."""
        changed: list[float] = []
        stop = threading.Event()

        def watch() -> None:
            while not stop.is_set():
                try:
                    self._answers(call, status, code)
                except StepFailed:
                    time.sleep(0.003)
                else:
                    changed.append(time.time())
                    return

        time.sleep(PLAN["seconds"])  # type: ignore[arg-type]  # let the plan's bucket fill, so that limits don't answer
        watcher = threading.Thread(target=watch)
        watcher.start()
        decided = expect(ada.post(decision, json=body), 200)
        watcher.join(SETTLE_SECONDS)
        stop.set()
        name = decision.rstrip("/").rpartition("/")[2]
        if not changed:
            raise StepFailed(f"{name} was not enforced within {SETTLE_SECONDS} s.")
        receipt = self._receipt(ada, decided["receipt"])
        at = datetime.fromisoformat(receipt["at"]).timestamp()
        self.enforced_ms[name] = round((changed[0] - at) * 1000, 1)
        self.say(f"               {receipt['sentence']} First changed answer after {self.enforced_ms[name]} ms.")

    def _receipt(self, ada: httpx.Client, path: str) -> dict[str, Any]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            receipt: dict[str, Any] = expect(ada.get(path), 200)
            if receipt["complete"]:
                return receipt
            if time.monotonic() > deadline:
                raise StepFailed(f"The receipt says: {receipt['sentence']}")
            time.sleep(0.02)

    def _identity(self, call: Call, client_id: str) -> None:
        forged = {**call.headers, "x-portico-tenant": "forged", "x-portico-application": "forged"}
        seen = {name.lower(): value for name, value in expect(self._caller.get(call.url, headers=forged), 200)["headers"].items()}
        told = {name: seen.get(f"x-portico-{name}") for name in ("tenant", "application", "plan")}
        if told != {"tenant": "acme", "application": client_id, "plan": PLAN["name"]} or not seen.get("x-portico-subscription"):
            raise StepFailed(f"The upstream saw {told}.")
        if "authorization" in seen:
            raise StepFailed("The upstream saw the token.")

    def _limited(self, call: Call) -> None:
        for _ in range(int(str(PLAN["calls"])) * 3):
            answer = self._caller.get(call.url, headers=call.headers)
            if answer.status_code == 429:
                if answer.headers.get("x-portico-refusal") != "RATE_LIMITED" or not answer.headers.get("retry-after"):
                    raise StepFailed(f"The 429 carries {dict(answer.headers)}.")
                return
        raise StepFailed("The limit was never reached.")

    def _refusals(self, carl: httpx.Client, tenant: str, application: str) -> None:
        wanted = {"SUBSCRIPTION_PENDING", "SUBSCRIPTION_SUSPENDED", "RATE_LIMITED"}
        deadline = time.monotonic() + SETTLE_SECONDS
        found: set[str] = set()
        while not wanted <= found:
            if time.monotonic() > deadline:
                raise StepFailed(f"The refusals show {sorted(found)} only.")
            rows = expect(carl.get(f"{tenant}/applications/{application}/refusals/?limit=200"), 200)["results"]
            found = {row["code"] for row in rows}
            time.sleep(0.05)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
