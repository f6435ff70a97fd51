"""Who is in a tenant: people, teams, roles, automation, and who is invited."""

from collections.abc import Sequence
from datetime import timedelta

from allauth.account.models import EmailAddress

from keys.actions import expiries, service_accounts
from keys.secrets import base62
from portal.scale import names
from portal.scale.sizes import HOLDERS_PER_ROLE, PEOPLE_PER_TEAM
from portal.scale.telling import DAY, Known, Person, Teller
from portal.scale.writing import Row
from tenants.models import CustomRole, Invitation, Role, ServiceAccount, TeamMember, User
from tenants.people import invitations

# So many decide in the biggest; each has every request in the inbox.
DECIDERS = 8
ALL_ROLES: list[str] = [Role.ADMIN, Role.APPROVER, Role.DEVELOPER, Role.PUBLISHER]


class Members(Teller):
    """The chapters about them."""

    @property
    def _founder(self) -> Person:
        return self.given.people[0]

    def _anybody(self) -> Person:
        return self.chance.choice(self.given.people)

    def _person(self, known: Sequence[Known]) -> None:
        number = len(self.given.people)
        first, last = names.FIRST[number % len(names.FIRST)], self.chance.choice(names.LAST)
        who = Known(f"{first}.{last}.{number}@{self.slug}.example".lower(), f"{first} {last}", self._roles(number))
        if 0 < number <= len(known):
            who = known[number - 1]
        address = f"10.{self.number >> 8 & 255}.{self.number & 255}.{number % 250 + 1}"
        person = Person(self.new(), who.name, who.email, sorted(who.roles), address, self.chance.choice(names.BROWSERS))
        password = "!" + base62(self.chance.randbytes(30), 41)
        row = {"id": person.id, "email": person.email, "name": person.name, "password": password, "created_at": self.at}
        self.rows.add(User, {**row, "last_login": None})
        self.rows.add(EmailAddress, {"user_id": person.id, "email": person.email, "verified": True, "primary": True})
        self._join(person)

    def _roles(self, number: int) -> list[str]:
        if number == 0:
            return ALL_ROLES
        dice = self.chance.random()
        if dice < 0.1:
            return [Role.PUBLISHER, Role.DEVELOPER]
        if dice < 0.2 and len(self.given.deciders) < DECIDERS:
            return [Role.APPROVER]
        return [Role.AUDITOR] if dice > 0.97 else [Role.DEVELOPER]

    def _join(self, person: Person) -> None:
        by = self.given.people[0] if self.given.people else person
        self.given.people.append(person)
        if Role.APPROVER in person.roles:
            self.given.deciders.append(person)
        if Role.DEVELOPER in person.roles:
            self.given.developers.append(person)
        self.given.memberships[person.id] = self.row(user_id=person.id, roles=person.roles, custom_roles=[], created_at=self.at)
        self.tell("member.added", "user", {"id": person.id}, person.name, by=by, was=[], roles=person.roles)

    def _team(self) -> None:
        number = len(self.given.teams)
        lead, by = self.chance.choice(self.given.developers), self._founder
        team = self.row(name=f"{names.THINGS[number % len(names.THINGS)]} {number + 1}", description="", created_at=self.at)
        self.tell("team.created", "team", team, team["name"], by=by, lead=lead.name)
        people = {lead.id: lead}
        self._into(team, lead)
        for person in self.chance.sample(self.given.people, min(PEOPLE_PER_TEAM - 1, len(self.given.people))):
            if person.id in people:
                continue
            was = sorted(each.name for each in people.values())
            people[person.id] = person
            now = sorted(each.name for each in people.values())
            self.tell("team.changed", "team", team, team["name"], by=by, was={"members": was}, now={"members": now})
            self._into(team, person)
        self.given.teams.append({**team, "lead_id": self.given.memberships[lead.id]["id"], "lead": lead})

    def _into(self, team: Row, person: Person) -> None:
        self.rows.add(TeamMember, self.row(team_id=team["id"], membership_id=self.given.memberships[person.id]["id"]))

    def _role(self) -> None:
        permissions = ["applications.see_all", "subscriptions.see_all", "tenant.see"]
        role = self.row(name=f"Watch {self.chain.number}", description="Sees what goes on.", permissions=permissions, created_at=self.at)
        self.rows.add(CustomRole, role)
        self.tell("role.created", "customrole", role, role["name"], by=self._founder, permissions=permissions)
        for person in self.chance.sample(self.given.people, min(HOLDERS_PER_ROLE, len(self.given.people))):
            membership = self.given.memberships[person.id]
            membership["custom_roles"].append(role["id"])
            self._changed(person, was=membership["roles"], now=[*membership["roles"], role["name"]])

    def _changed(self, person: Person, *, was: list[str], now: list[str]) -> None:
        event = self.tell("member.changed", "user", {"id": person.id}, person.name, by=self._founder, was=was, roles=now)
        self.notify(event, [person])

    def _promote(self, person: Person) -> None:
        """To auditor as well, or not any more."""
        membership = self.given.memberships[person.id]
        was = membership["roles"]
        other = set(was) ^ {str(Role.AUDITOR)}
        membership["roles"] = sorted(other) or [Role.DEVELOPER]
        self._changed(person, was=was, now=membership["roles"])

    def _describe_team(self, team: Row) -> None:
        was, team["description"] = team["description"], f"As of {self.at:%d %B %Y}, {self.chain.number}."
        changed = {"was": {"description": was}, "now": {"description": team["description"]}}
        self.tell("team.changed", "team", team, team["name"], by=self._founder, **changed)

    def _service(self) -> None:
        number, by = self.chain.number, self._founder
        name, user, ends = f"Pipeline {number}", self.new(), self.setting.until + timedelta(days=self.chance.randint(40, 200))
        password = "!" + base62(self.chance.randbytes(30), 41)
        email = f"{user}@service.invalid"
        person = {"id": user, "email": email, "name": f"{name} (service account)", "is_service": True, "password": password}
        self.rows.add(User, {**person, "created_at": self.at, "last_login": None})
        self.rows.add(EmailAddress, {"user_id": user, "email": email, "verified": True, "primary": True})
        permissions = ["apis.see_all"]
        row = self.row(name=name, user_id=user, permissions=permissions, expires_at=ends, created_by_id=by.id, people=[by.id])
        row |= {"secret_hmac": f"{self.chance.getrandbits(256):064x}", "pepper_id": self.setting.pepper_id, "last_four": "0aZ9"}
        self.rows.add(ServiceAccount, {**row, "created_at": self.at})
        told = {"description": "", "permissions": permissions, "expires_at": ends.isoformat()}
        self.tell("service_account.created", "serviceaccount", row, name, by=by, **told)
        self.expect(service_accounts.EXPIRE_JOB, ends)
        self.expect(expiries.WARN_JOB, ends - expiries.WARNINGS[0] * DAY)

    def _invitation(self) -> None:
        email = f"guest{self.chain.number}@{self.slug}.example"
        row = self.row(email=email, roles=[Role.DEVELOPER], nonce=f"{self.chance.getrandbits(128):032x}", invited_by_id=self._founder.id)
        row |= {"expires_at": self.setting.until + timedelta(days=6), "created_at": self.at, "accepted_by_id": None, "team_id": None}
        self.rows.add(Invitation, {**row, "custom_roles": []})
        self.tell("invitation.created", "invitation", row, email, by=self._founder, roles=[Role.DEVELOPER])
        self.expect(invitations.EXPIRE_JOB, row["expires_at"])
