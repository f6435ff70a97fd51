"""What happened in one tenant: everything that stands there is told by its events, in the order in which it came about."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from apis.models import Api, ApiVersion, Operation, Plan, Revision, Subscription, Upstream
from keys.actions import credentials, expiries, signing
from keys.models import Application, Credential, ProtectedResource, SigningKey, TokenPolicy
from keys.secrets import base62, new_client_id
from portal.scale import names
from portal.scale.members import Members
from portal.scale.sizes import SUBSCRIPTIONS_PER_APPLICATION
from portal.scale.telling import DAY, YEAR, Known, Person
from portal.scale.writing import Row
from tenants import due
from tenants.event_kinds import UNDO
from tenants.models import Due, EventCounter, Membership, Team, Tenant, TenantSettings, TenantSize

Status = Subscription.Status


class Story(Members):
    """Told once."""

    def tell_all(self, *, known: Sequence[Known] = (), guest: Person | None = None) -> Iterator[int]:
        """All of it, into `rows`; the platform's events are left to the caller, who has its chain. Yields how many events it has told.

        :param known: whom it has before all others.
        :param guest: somebody of another tenant who is a member here as well.
        """
        self._found(known)
        steps = self._steps(known)
        # Room for what comes at the end.
        room = self.size.events - self.size.applications - 3
        for done, step in enumerate(steps, start=1):
            step()
            while self.chain.number < room * done // len(steps):
                self._go_on()
            yield self.chain.number
        if guest is not None:
            self._join(guest)
        for credential in self.given.credentials:
            self._warn(credential)
        while self.chain.number < self.size.events:
            self._export()
        self._sign_ins()
        self._close()

    def _found(self, known: Sequence[Known]) -> None:
        self.tell("tenant.created", "tenant", None, self.name, by=None)
        self.tell_platform("tenant.created", "tenant", self.tenant, self.name, by=None, at=self.founded)
        policy = self.row(algorithm=TokenPolicy.Algorithm.ES256, rotation=int(YEAR.total_seconds()), scopes=[])
        self.rows.add(TokenPolicy, policy)
        self.rows.add(TenantSettings, self.row())
        for purpose in SigningKey.Use.values:
            self._announce(purpose)
        self._person(known)

    def _announce(self, purpose: str) -> None:
        """A key of its own, as of every tenant: chance alone makes it, so that another run has another."""
        made = signing.spare(self.tenant, purpose, TokenPolicy.Algorithm.ES256).row
        row = {"id": made.pk, "tenant_id": self.tenant, "purpose": purpose, "alg": made.alg, "kid": made.kid, "sealed": made.sealed}
        published, told = self.at, self.chain.number + 1
        self.tell("signing_key.published", "signingkey", row, made.kid, by=None, was="pending")
        activated = self.at
        self.tell("signing_key.activated", "signingkey", row, made.kid, by=None, was="published")
        known_at = published + timedelta(seconds=300) + signing.SKEW
        times = {"created_at": published, "published_at": published, "known_at": known_at, "planned_for": published}
        row |= {"public_jwk": made.public_jwk, "status": SigningKey.Status.ACTIVE, "published_event": told, "activated_at": activated}
        self.rows.add(SigningKey, {**row, **times, "longest_lifetime": 600})
        self.expect(signing.ADVANCE_JOB, activated + YEAR - timedelta(seconds=300) - 2 * signing.SKEW)

    def _steps(self, known: Sequence[Known]) -> list[Callable[[], None]]:
        """What is made, spread over the time that there is: APIs first, most applications late."""
        size = self.size
        spread = [
            *((place, lambda: self._person(known)) for place in _places(size.people - 1, 0.0, 1.0)),
            *((place, self._api) for place in _places(size.apis, 0.0, 0.5)),
            *((place, self._application) for place in _places(size.applications, 0.05, 1.0)),
            *((place, self._team) for place in _places(size.teams, 0.3, 1.0)),
            *((place, self._role) for place in _places(size.roles, 0.5, 1.0)),
            *((place, self._service) for place in _places(size.services, 0.6, 1.0)),
            *((1.0, self._invitation) for _ in range(size.invitations)),
        ]
        return [step for _place, step in sorted(spread, key=lambda each: each[0])]

    def _api(self) -> None:
        number = len(self.given.apis)
        thing = names.THINGS[number % len(names.THINGS)]
        again = f" {number // len(names.THINGS) + 1}" if number >= len(names.THINGS) else ""
        name, slug, by = f"{thing}{again}", f"{thing}{again}".lower().replace(" ", "-"), self._founder
        content, description = self.setting.document, f"What there is to know of {thing.lower()}."
        api = self.row(slug=slug, name=name, description=description, created_by_id=by.id, team_id=None, created_at=self.at)
        self.tell("api.created", "api", api, name, by=by, slug=slug)
        version = self.row(api_id=api["id"], name="v1", created_at=self.at)
        label = f"{name} v1"
        self.tell("version.created", "apiversion", version, label, by=by, api=slug, version="v1")
        place = {
            "scheme": "http",
            "host": "192.0.2.10",
            "port": 80,
            "path": f"/{slug}",
            "addresses": ["192.0.2.10"],
            "resolved_at": self.at,
        }
        upstream = self.row(**place)
        revision = self.row(version_id=version["id"], number=1, document=content.content, upstream_id=upstream["id"], created_by_id=by.id)
        revision |= {"created_at": self.at, "scopes": content.scopes, "note": "First import"}
        made = len(content.operations)
        self.tell("revision.created", "revision", revision, "Revision 1", by=by, version=label, operations=made, note="First import")
        for each in content.operations:
            operation = {"method": each.method, "path": each.path, "operation_id": each.operation_id, "summary": each.summary}
            self.rows.add(Operation, self.row(revision_id=revision["id"], deprecated=False, scopes=[], **operation))
        self.tell("revision.live", "revision", revision, "Revision 1", by=by, version=label, was=None, number=1)
        # Now and then one is made, and waits.
        published = number % 20 != 19
        if published:
            self.tell("version.published", "apiversion", version, label, by=by, was="created")
        version |= {"live_revision_id": revision["id"], "status": "published" if published else "created"}
        for plan, calls, seconds, approval in (("gold", 1000, 1, "manual"), ("open", 60, 60, "automatic")) if published else ():
            row = self.row(api_id=api["id"], name=plan, calls=calls, seconds=seconds, approval=approval, created_at=self.at)
            terms = {"calls": calls, "seconds": seconds, "approval": approval}
            self.tell("plan.created", "plan", row, plan, by=by, api=slug, **terms)
            self.tell("plan.published", "plan", row, plan, by=by, was="staging")
            self.rows.add(Plan, {**row, "status": Plan.Status.PUBLISHED})
            self.given.plans.setdefault(api["id"], {})[plan] = row
        self.given.apis.append(api)
        for model, row in ((ApiVersion, version), (Upstream, upstream), (Revision, revision)):
            self.rows.add(model, row)
        resource = self.row(name=slug, title=name, scopes=content.scopes, encryption_jwk=None, published=published)
        self.rows.add(ProtectedResource, resource)

    def _application(self) -> None:
        number = len(self.given.applications)
        # A few have many.
        developers = self.given.developers
        owner = self.chance.choice(developers[:3] if number % 20 == 7 else developers)
        team = self.chance.choice(self.given.teams) if self.given.teams and number % 10 == 3 else None
        owner = team["lead"] if team else owner
        program, thing = self.chance.choice(names.PROGRAMS), self.chance.choice(names.THINGS)
        name, purpose = f"{thing} {program} {number + 1}", f"Works with {thing.lower()}."
        environment = "test" if number % 4 == 3 else "live"
        row = self.row(name=name, purpose=purpose, environment=environment, owner_id=owner.id, created_at=self.at)
        row |= {"team_id": team["id"] if team else None, "client_id": new_client_id(self.chance.randbytes)}
        belongs = {"team": team["name"]} if team else {}
        self.tell("application.created", "application", row, name, by=owner, purpose=purpose, environment=environment, **belongs)
        self.given.applications.append({**row, "owner": owner})
        self.rows.add(Application, row)
        self._credential(row, owner, number)
        offered = [api for api in self.given.apis if api["id"] in self.given.plans]
        for api in self.chance.sample(offered, min(SUBSCRIPTIONS_PER_APPLICATION, len(offered))):
            self._subscription(row, api, owner)

    def _credential(self, application: Row, owner: Person, number: int) -> None:
        """Of a secret that nobody has ever seen."""
        ends = self.setting.until + timedelta(days=self.chance.randint(2, 200), hours=9) if number % 5 == 0 else None
        row = self.row(application_id=application["id"], kind=Credential.Kind.CLIENT_SECRET, label="Servers", created_by_id=owner.id)
        row |= {"secret_hmac": f"{self.chance.getrandbits(256):064x}", "pepper_id": self.setting.pepper_id, "expires_at": ends}
        row |= {"last_four": base62(self.chance.randbytes(3), 6)[-4:], "created_at": self.at, "warned_days": None}
        self.tell("credential.created", "credential", row, "Servers", by=owner, application=application["name"], kind=row["kind"])
        self.given.credentials.append({**row, "application": application["name"], "owner": owner})
        if ends:
            self.expect(credentials.EXPIRE_JOB, ends)

    def _subscription(self, application: Row, api: Row, owner: Person) -> None:
        deciders = [each for each in self.given.deciders if each.id != owner.id]
        plan = self.given.plans[api["id"]]["gold" if deciders and self.chance.random() < 0.7 else "open"]
        purpose, name = f"Show {api['name'].lower()} where they are needed.", f"{application['name']} to {api['name']}"
        row = self.row(application_id=application["id"], api_id=api["id"], plan_id=plan["id"], purpose=purpose, requested_by_id=owner.id)
        row |= {"status": str(Status.PENDING), "reason": "", "requested_at": self.at, "owner": owner, "name": name, "decided_by_id": None}
        row |= {"decided_at": None, "undo_until": None, "ended_at": None}
        event = self.tell(
            "subscription.requested", "subscription", row, name, by=owner, api=api["slug"], plan=plan["name"], purpose=purpose
        )
        self.given.subscriptions.append(row)
        if plan["approval"] == Plan.Approval.AUTOMATIC:
            row |= {"decided_at": self.at}
            self._move(row, "approved", Status.ACTIVE, by=None, reason=f"The plan {plan['name']} approves by itself.")
            return
        self.notify(event, deciders)
        self._decide(row, self.chance.choice(deciders))

    def _decide(self, row: Row, by: Person) -> None:
        dice = self.chance.random()
        if dice < 0.04:
            return
        decided = {"decided_by_id": by.id, "decided_at": self.at, "undo_until": self.at + UNDO}
        if dice < 0.1:
            row |= {**decided, "ended_at": self.at, "reason": "It asks for more than it needs."}
            self._move(row, "rejected", Status.REJECTED, by=by, reason=row["reason"])
            return
        row |= decided
        self._move(row, "approved", Status.ACTIVE, by=by)
        if dice < 0.14:
            row |= {"undo_until": None, "ended_at": self.at}
            self._move(row, "cancelled", Status.CANCELLED, by=row["owner"])
            return
        self.given.standing.append(row)

    def _move(self, row: Row, verb: str, to: str, *, by: Person | None, **said: Any) -> None:
        was, row["status"] = row["status"], str(to)
        event = self.tell(f"subscription.{verb}", "subscription", row, row["name"], by=by, was=was, **said)
        if by is not None and by.id != row["owner"].id:
            self.notify(event, [row["owner"]])

    # --- what leaves no more behind than its event ---------------------------------------------------------------------

    def _go_on(self) -> None:
        dice = self.chance.random()
        if dice < 0.5 and self.given.standing:
            self._stop_or_resume(self.chance.choice(self.given.standing))
        elif dice < 0.7 and self.given.apis:
            self._describe(self.chance.choice(self.given.apis))
        elif dice < 0.8 and len(self.given.people) > 1:
            self._promote(self.chance.choice(self.given.people[1:]))
        elif dice < 0.9 and self.given.teams:
            self._describe_team(self.chance.choice(self.given.teams))
        else:
            self._export()

    def _stop_or_resume(self, row: Row) -> None:
        by = self.chance.choice([each for each in self.given.deciders if each.id != row["owner"].id])
        row |= {"decided_by_id": by.id, "decided_at": self.at, "undo_until": None}
        if row["status"] == Status.ACTIVE:
            row["reason"] = "It calls more often than was agreed on."
            self._move(row, "suspended", Status.SUSPENDED, by=by, reason=row["reason"])
        else:
            row["reason"] = ""
            self._move(row, "resumed", Status.ACTIVE, by=by)

    def _describe(self, api: Row) -> None:
        was, api["description"] = api["description"], f"What there is to know, as of {self.at:%d %B %Y}, {self.chain.number}."
        changed = {"was": {"description": was}, "now": {"description": api["description"]}}
        self.tell("api.changed", "api", api, api["name"], by=self._founder, **changed)

    def _export(self) -> None:
        span = {"format": "csv", "first": 1, "last": self.chain.number}
        self.tell("audit.exported", "tenant", None, self.name, by=self._founder, **span)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _warn(self, credential: Row) -> None:
        ends = credential["expires_at"]
        if ends is None:
            return
        reached = min((days for days in expiries.WARNINGS if ends - days * DAY <= self.at), default=None)
        if reached is not None:
            credential["warned_days"] = reached
            said = {"days": -(-(ends - self.at) // DAY), "application": credential["application"]}
            self.notify(self.tell("credential.ends_soon", "credential", credential, "Servers", by=None, **said), [credential["owner"]])
        ahead = [days for days in expiries.WARNINGS if reached is None or days < reached]
        if ahead:
            self.expect(expiries.WARN_JOB, ends - max(ahead) * DAY)

    def _sign_ins(self) -> None:
        """In the time before the next tenant is founded, so that the platform's chain tells of them in order."""
        for number in range(self.size.sign_ins):
            person = self._anybody()
            at = self.founded + self.between * (number + 1) / (self.size.sign_ins + 2)
            self.tell_platform("login.succeeded", "user", person.id, person.name, by=person, at=at)

    def _close(self) -> None:
        given = self.given
        tenant = {"id": self.tenant, "slug": self.slug, "name": self.name, "created_at": self.founded, "erase_at": None}
        self.rows.add(Tenant, tenant)
        # What happened so long ago is news for nobody any more.
        number, told = self.chain.number, {"mailed": self.chain.number, "told": self.chain.number}
        self.rows.add(EventCounter, self.row(number=number, digest=self.chain.digest, **told))
        for model, rows in (
            (Membership, given.memberships.values()),
            (Api, given.apis),
            (Team, given.teams),
            (Credential, given.credentials),
            (Subscription, given.subscriptions),
        ):
            own = {str(field.column) for field in model._meta.concrete_fields}  # noqa: SLF001  (Django's documented model API)
            for row in rows:
                self.rows.add(model, {name: value for name, value in row.items() if name in own})
        self._measure()
        for job, at in given.jobs.items():
            self.rows.add(Due, {"tenant_id": self.tenant, "job": job, "at": at})

    def _measure(self) -> None:
        given = self.given
        held = {"members": len(given.memberships), "apis": len(given.apis), "applications": len(given.applications)}
        held |= {"subscriptions": sum(row["status"] == Status.ACTIVE for row in given.subscriptions), "events": self.chain.number}
        self.rows.add(TenantSize, {"tenant_id": self.tenant, **held, "measured_at": self.setting.until})
        self.expect(due.MEASURE_JOB, self.setting.until + DAY + timedelta(seconds=self.number))


def _places(many: int, first: float, last: float) -> Iterator[float]:
    """So many, evenly between two."""
    return (first + (last - first) * (number + 0.5) / many for number in range(many))
