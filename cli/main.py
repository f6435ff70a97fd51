"""The commands of `portico`."""

import getpass
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import files, shown
from cli import session as sessions
from cli.portal import Portal, Problem
from cli.refusals import Refused, Usage
from cli.session import Session

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__)
Tenant = Annotated[str, typer.Option("--tenant", "-t", help="Its slug; else PORTICO_TENANT, or as you signed in.")]
Json = Annotated[bool, typer.Option("--json", help="JSON in place of words.")]
Wait = Annotated[float, typer.Option("--wait", min=0, max=600, help="How many seconds to wait for the gateways.")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that describes the tenant.")]
Prune = Annotated[bool, typer.Option("--prune", help="Take away what the files that are there no longer list.")]
Breaking = Annotated[str, typer.Option("--breaking", help="Why revisions that break callers go live all the same.")]
Which = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="Its id, or application/api.")]
Reason = Annotated[str, typer.Option("--reason", help="Those concerned read it.")]

COLUMNS = {
    "apis": ("slug", "name", "visibility", "versions", "plans"),
    "applications": ("id", "name", "environment", "status", "owner", "team_name"),
    "subscriptions": ("id", "application_name", "api", "plan", "status", "reason"),
    "requests": ("id", "application_name", "api", "plan", "requested_by", "purpose"),
    "plans": ("api", "name", "calls", "seconds", "approval", "status"),
    "members": ("email", "name", "roles"),
}
EVERY = 0.2


def run() -> None:
    """The command line: 0 where it was done, 1 where it was refused, 2 where it was not understood."""
    try:
        app()
    except Problem as problem:
        _end(str(problem), 1)
    except Refused as refused:
        _end(str(refused), 1)
    except Usage as usage:
        _end(str(usage), 2)
    except KeyboardInterrupt:
        _end("Stopped.", 130)


def _end(sentence: str, code: int) -> None:
    sys.stderr.write("".join(f"{shown.safe(line)}\n" for line in sentence.splitlines()))
    raise SystemExit(code)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def hidden(prompt: str) -> str:
    """A line that is not shown; from standard input, where that is no terminal."""
    return getpass.getpass(f"{prompt}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


# --- who is here -----------------------------------------------------------------------------------------------------


@app.command("sign-in")
def sign_in(
    url: Annotated[str, typer.Option("--url", envvar=sessions.URL, help="The address of the portal.")],
    email: Annotated[str, typer.Option("--email", prompt="E-mail", help="Your e-mail address.")],
    tenant: Tenant = "",
) -> None:
    """Sign in with e-mail address and password, and the second factor where you have one."""
    session = Session(sessions.checked(url), tenant)
    password = hidden("Password")
    with Portal(session) as portal:
        try:
            session = portal.sign_in(email, password)
        except Problem as problem:
            if problem.code != "mfa_required":
                raise
            session = portal.sign_in(email, password, hidden("Code of your second factor"))
    sessions.keep(session)
    say(f"Signed in as {email} at {session.url}.")


@app.command("sign-out")
def sign_out() -> None:
    """End the session, here and at the portal."""
    found = sessions.kept()
    if found is None:
        say("Nobody is signed in here.")
        return
    with Portal(found) as portal:
        portal.sign_out()
    sessions.forget()
    say("Signed out.")


@app.command()
def whoami(*, as_json: Json = False) -> None:
    """Who is signed in, and in which tenants."""
    with Portal(sessions.current()) as portal:
        tenants = list(portal.all("/api/v1/tenants/"))
        session = portal.session
    who = session.email or "a service account"
    if as_json:
        say(json.dumps({"url": session.url, "who": who, "tenants": tenants}, indent=2))
        return
    say(shown.safe(f"{who} at {session.url}"))
    say(shown.table(("slug", "name", "roles"), tenants))


# --- lists -----------------------------------------------------------------------------------------------------------


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help=", ".join(COLUMNS))],
    *,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """List apis, applications, subscriptions, requests, plans or members."""
    if what not in COLUMNS:
        raise Usage(f"“{what}” can't be listed; there are {', '.join(COLUMNS)}.")
    with Portal(sessions.current(tenant=tenant)) as portal:
        rows = _rows(portal, what)
    if as_json:
        say(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    say(shown.table(COLUMNS[what], [_short(each) for each in rows]) if rows else "There are none.")


def _rows(portal: Portal, what: str) -> list[dict[str, Any]]:
    if what == "requests":
        return list(portal.all(f"{portal.tenant}subscriptions/?status=pending"))
    if what == "plans":
        return [{"api": api["slug"], **plan} for api in portal.all(f"{portal.tenant}apis/") for plan in api["plans"]]
    return list(portal.all(f"{portal.tenant}{what}/"))


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """What holds things of its own, by their names."""
    return {
        name: [each["name"] if isinstance(each, dict) else each for each in value] if isinstance(value, list) else value
        for name, value in row.items()
    }


# --- decisions -------------------------------------------------------------------------------------------------------


@app.command()
def request(
    application: Annotated[str, typer.Argument(help="Its name or id.")],
    api: Annotated[str, typer.Argument(help="Its slug.")],
    plan: Annotated[str, typer.Argument(help="Its name.")],
    *,
    purpose: Annotated[str, typer.Option("--purpose", help="What for; approvers read it.")],
    tenant: Tenant = "",
    wait: Wait = 10.0,
) -> None:
    """Ask for a subscription of an application of yours to an API."""
    with Portal(sessions.current(tenant=tenant)) as portal:
        pk = _application(portal, application)
        told = portal.post(f"{portal.tenant}subscriptions/", {"application": pk, "api": api, "plan": plan, "purpose": purpose})
        say(f"{told['id']} is {told['status']}.")
        _receipt(portal, told, wait)


def _application(portal: Portal, given: str) -> str:
    """
    :raises Refused: none, or several.
    """
    found = [each for each in portal.all(f"{portal.tenant}applications/") if given in {each["id"], each["name"]}]
    return str(_only(found, f"application “{given}”")["id"])


def _only(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(found) != 1:
        raise Refused(f"There are {len(found)} of {what} that you see; give its id." if found else f"You see no {what}.")
    return found[0]


def _decide(given: str, verb: str, body: Any, tenant: str, wait: float) -> None:
    with Portal(sessions.current(tenant=tenant)) as portal:
        name, slash, api = given.rpartition("/")
        pk = given
        if slash:
            rows = portal.all(f"{portal.tenant}subscriptions/")
            open_ones = [each for each in rows if each["status"] in {"pending", "active", "suspended"}]
            fitting = [each for each in open_ones if (each["application_name"], each["api"]) == (name, api)]
            pk = _only(fitting, f"subscription “{given}”")["id"]
        told = portal.post(f"{portal.tenant}subscriptions/{pk}/{verb}/", body)
        say(f"{told['id']} is {told['status']}.")
        _receipt(portal, told, wait)


@app.command()
def approve(subscription: Which, tenant: Tenant = "", wait: Wait = 10.0) -> None:
    """Let the application's calls pass."""
    _decide(subscription, "approve", None, tenant, wait)


@app.command()
def reject(subscription: Which, reason: Reason, tenant: Tenant = "", wait: Wait = 10.0) -> None:
    """Say no, and why."""
    _decide(subscription, "reject", {"reason": reason}, tenant, wait)


@app.command()
def suspend(subscription: Which, reason: Reason, tenant: Tenant = "", wait: Wait = 10.0) -> None:
    """Refuse the application's calls until it is resumed."""
    _decide(subscription, "suspend", {"reason": reason}, tenant, wait)


@app.command()
def resume(subscription: Which, tenant: Tenant = "", wait: Wait = 10.0) -> None:
    """Let the application's calls pass again."""
    _decide(subscription, "resume", None, tenant, wait)


@app.command()
def cancel(subscription: Which, reason: Reason = "", tenant: Tenant = "", wait: Wait = 10.0) -> None:
    """End a subscription for good."""
    _decide(subscription, "cancel", {"reason": reason} if reason else {}, tenant, wait)


@app.command()
def roll(
    credential: Annotated[str, typer.Argument(help="Its id.")],
    *,
    grace: Annotated[str, typer.Option("--grace", help="How long the old one works on: 0, 1h, 24h or 7d.")] = "24h",
    application: Annotated[
        str, typer.Option("--application", help="Whose it is, by name or id; else all of yours are looked through.")
    ] = "",
    tenant: Tenant = "",
) -> None:
    """Replace a client secret or an API key. The new one is shown this once, alone on standard output."""
    with Portal(sessions.current(tenant=tenant)) as portal:
        if application:
            pk = _application(portal, application)
        else:
            every = [each["id"] for each in portal.all(f"{portal.tenant}applications/")]
            there = (
                each
                for each in every
                if any(one["id"] == credential for one in portal.all(f"{portal.tenant}applications/{each}/credentials/"))
            )
            pk = next(there, "")
            if not pk:
                raise Refused(f"You see no credential “{credential}”.")
        told = portal.post(f"{portal.tenant}applications/{pk}/credentials/{credential}/roll/", {"grace": grace})
    sys.stderr.write(f"{told['id']} replaces {credential}. This is shown once:\n")
    say(told.get("client_secret") or told.get("api_key") or "")


def _receipt(portal: Portal, told: dict[str, Any], wait: float) -> None:
    """Where the decision is enforced: at the latest after `wait` seconds, how far that is."""
    if not (address := told.get("receipt")):
        return
    until = time.monotonic() + wait
    while True:
        receipt = portal.get(address)
        if receipt["complete"] or time.monotonic() >= until:
            say(shown.safe(receipt["sentence"]))
            return
        time.sleep(EVERY)


# --- a tenant in files -----------------------------------------------------------------------------------------------


@app.command()
def export(directory: Directory, tenant: Tenant = "") -> None:
    """Write the tenant into a folder, as far as you may see it. Secrets are not in it."""
    with Portal(sessions.current(tenant=tenant)) as portal:
        told = portal.get(f"{portal.tenant}description/")
    many, others = files.save(directory, told)
    say(f"{many} files were written to {directory}.")
    for each in others:
        sys.stderr.write(f"{shown.safe(each)} is of something that is not there.\n")


@app.command()
def plan(
    directory: Directory,
    *,
    tenant: Tenant = "",
    prune: Prune = False,
    breaking: Breaking = "",
    plan_file: Annotated[Path | None, typer.Option("--plan-file", help="Where to write the plan that apply is to hold to.")] = None,
    as_json: Json = False,
) -> None:
    """What would change if the tenant became as the folder describes it, and who would lose access. Changes nothing."""
    folder = files.load(directory, files.environment())
    with Portal(sessions.current(tenant=tenant)) as portal:
        asked = {"description": folder.description, "prune": prune, "breaking": breaking}
        told = _ask(portal, folder, "plan", asked)
        if plan_file:
            kept = {"base": told["base"], "files": folder.digest, "tenant": portal.tenant, "prune": prune, "breaking": breaking}
            plan_file.write_text(json.dumps(kept, indent=2) + "\n")
    say(json.dumps(told, indent=2, ensure_ascii=False) if as_json else shown.plan(told))
    if any(each["blocked"] for each in told["differences"]):
        raise Refused("This can't be applied as it is.")


@app.command()
def apply(
    directory: Directory,
    *,
    tenant: Tenant = "",
    prune: Prune = False,
    breaking: Breaking = "",
    plan_file: Annotated[
        Path | None, typer.Option("--plan-file", help="Hold to this plan, and refuse if anything has changed since.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Wait = 10.0,
) -> None:
    """Make the tenant as the folder describes it: all of it, or nothing."""
    folder = files.load(directory, files.environment())
    with Portal(sessions.current(tenant=tenant)) as portal:
        kept = _kept(plan_file) if plan_file else None
        if kept:
            prune, breaking = kept["prune"], kept["breaking"]
        asked = {"description": folder.description, "prune": prune, "breaking": breaking}
        if kept:
            if (kept["files"], kept["tenant"]) != (folder.digest, portal.tenant):
                raise Refused("The folder or the tenant is not that of the plan. Plan again.")
            base = kept["base"]
        else:
            told = _ask(portal, folder, "plan", asked)
            say(shown.plan(told))
            base = told["base"]
            if not any(each["sign"] != "!" for each in told["differences"]):
                return
            if not yes and not sys.stdin.isatty():
                raise Usage("Say --yes, or hold to a plan with --plan-file, where nobody can be asked.")
            if not yes and not typer.confirm("Apply this?"):
                raise Refused("Nothing was changed.")
        told = _ask(portal, folder, "apply", {**asked, "base": base})
        if kept:
            say(shown.plan({**told, "prunable": 0}))
        if "event" not in told:
            return
        say("Applied.")
        _receipt(portal, told, wait)


def _kept(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
        return {name: told[name] for name in ("base", "files", "tenant", "prune", "breaking")}
    except (OSError, ValueError, KeyError, TypeError):
        raise Usage(f"{path} is no plan.") from None


def _ask(portal: Portal, folder: files.Folder, what: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        told: dict[str, Any] = portal.post(f"{portal.tenant}description/{what}/", body)
    except Problem as problem:
        if problem.status == 422:
            raise Refused(folder.in_words(problem.errors)) from None
        raise
    return told
