"""An export that proves itself: whoever changes it is found, and where."""

import csv
import io
import json
import random
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, transaction
from django.test import Client
from django.utils import timezone

from keys import audit_proof, tokens
from keys.actions import audit_exports, audit_keys, heads
from keys.audit_proof import Report
from keys.models import AuditKey, ChainHead, PlatformHead
from tenants import events
from tenants.models import Due, Event, EventCounter, PlatformEvent, Role, User
from tenants.scope import tenant_scope
from tests import make, turns
from tests.conftest import Cast, Rest, base

TIMES = 1000 if turns.whole() else 100


@pytest.fixture
def ugo(in_acme: Cast) -> User:
    return make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)


def keys() -> dict[str, Any]:
    return audit_proof.read_keys(json.dumps({"keys": audit_keys.public()}))


def verified(content: bytes, with_keys: bool = True) -> Report:
    return audit_proof.verify(io.BytesIO(content), keys() if with_keys else None)


def sign_now() -> None:
    """The nightly job, for the tenant in scope."""
    events.lock()
    heads.sign_head(audit_keys.signer())


def story(cast: Cast, days: int = 4) -> None:
    """Days of events, each with its signed head."""
    for day in range(days):
        make.credential(make.application(cast.carl, name=f"Shop “{day}” été"))
        sign_now()
    make.application(cast.carl, name="After the last head")


def export(cast: Cast, by: User, **span: Any) -> bytes:
    found = audit_exports.export(cast.acme, form="jsonl", by=by, **span)
    return "".join(audit_exports.json_lines(found, audit_keys.signer())).encode()


# --- the key ----------------------------------------------------------------------------------------------------------


def test_the_key_is_made_when_it_is_first_needed_and_once(db: None) -> None:
    assert audit_keys.current() == audit_keys.current()
    assert AuditKey.objects.count() == 1


def test_after_a_year_another_signs_and_the_public_half_stays(db: None) -> None:
    old = audit_keys.current()
    signed = audit_proof.sign({"chain": "x"}, audit_keys.signer(), kind=audit_proof.HEAD)
    AuditKey.objects.update(created_at=timezone.now() - timedelta(days=366))
    new = audit_keys.current()
    assert new.pk != old.pk
    assert AuditKey.objects.get(pk=old.pk).sealed == ""
    assert audit_keys.signer().kid == new.kid
    assert audit_proof.opened(signed, keys(), kind=audit_proof.HEAD) == {"chain": "x"}


def test_anybody_reads_the_public_halves_and_nothing_more(db: None, client: Client) -> None:
    audit_keys.rotate()
    audit_keys.rotate()
    answer = client.get("/.well-known/portico-audit-keys")
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    found = answer.json()["keys"]
    assert [set(key) for key in found] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}] * 2
    assert client.get("/.well-known/portico-audit-keys", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_no_token_passes_for_a_head_and_no_head_for_an_end(db: None) -> None:
    key = audit_keys.signer()
    token = tokens.sign({"chain": "x"}, key)
    head = audit_proof.sign({"chain": "x"}, key, kind=audit_proof.HEAD)
    for signed in (token, head):
        with pytest.raises(audit_proof.Forged, match="something else"):
            audit_proof.opened(signed, keys(), kind=audit_proof.END)


# --- signed heads -----------------------------------------------------------------------------------------------------


def test_each_night_every_chain_is_signed_once(cast: Cast) -> None:
    assert heads.sign_heads() == 2
    assert heads.sign_heads() == 0
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            head, counter = ChainHead.objects.get(), EventCounter.objects.get()
            claims = audit_proof.opened(head.jws, keys(), kind=audit_proof.HEAD)
            assert (head.number, head.digest) == (counter.number, counter.digest)
            assert (claims["chain"], claims["number"], claims["digest"]) == (str(tenant.pk), head.number, head.digest)
    platform, last = PlatformHead.objects.get(), PlatformEvent.objects.order_by("-number")[0]
    assert (platform.number, platform.digest) == (last.number, last.digest)
    assert audit_proof.opened(platform.jws, keys(), kind=audit_proof.HEAD)["chain"] == "platform"


def test_where_nothing_happened_nothing_is_signed(cast: Cast) -> None:
    heads.sign_heads()
    Due.objects.filter(job=heads.SIGN_JOB).update(at=timezone.now() - timedelta(hours=1))
    with tenant_scope(cast.globex.pk):
        make.application(cast.eve)
    assert heads.sign_heads() == 2
    with tenant_scope(cast.acme.pk):
        assert ChainHead.objects.count() == 1
    with tenant_scope(cast.globex.pk):
        assert ChainHead.objects.count() == 2


def test_the_role_that_serves_changes_neither_heads_nor_takes_them_away(in_acme: Cast) -> None:
    sign_now()
    for change in (lambda: ChainHead.objects.update(jws=""), lambda: ChainHead.objects.all().delete()):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            change()
    for change in (lambda: PlatformHead.objects.update(jws=""), lambda: PlatformHead.objects.all()._raw_delete("default")):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            change()


def test_the_newest_events_are_recomputed_on_the_spot(in_acme: Cast) -> None:
    story(in_acme)
    found, last = heads.check_newest(), EventCounter.objects.get().number
    assert (found.first, found.last, found.heads, found.wrong) == (1, last, 4, None)
    assert heads.check_newest(most=5).first == last - 4


@pytest.mark.parametrize("how", ["tail", "digest", "head"])
def test_what_was_bent_in_the_database_is_seen(in_acme: Cast, how: str) -> None:
    story(in_acme)
    counter = EventCounter.objects.get()
    if how == "tail":
        EventCounter.objects.update(number=counter.number + 1)
        assert heads.check_newest().wrong == counter.number + 1
    elif how == "digest":
        EventCounter.objects.update(digest="f" * 64)
        assert heads.check_newest().wrong == counter.number + 1
    else:
        ChainHead.objects.create(number=counter.number, digest=counter.digest, signed_at=timezone.now(), jws="a.b.c")
        assert heads.check_newest().wrong == counter.number


# --- the export -------------------------------------------------------------------------------------------------------


def test_an_export_holds(in_acme: Cast, ugo: User) -> None:
    story(in_acme)
    last = EventCounter.objects.get().number
    report = verified(export(in_acme, ugo))
    assert not report.count, report
    assert str(report) == f"{last} events from 1 to {last} hold; signed heads: 4."
    assert Event.objects.order_by("-number")[0].kind == "audit.exported"


def test_so_does_a_part_of_it(in_acme: Cast, ugo: User) -> None:
    story(in_acme)
    part = export(in_acme, ugo, first=5, last=9)
    assert str(verified(part)).startswith("5 events from 5 to 9 hold; signed heads: ")
    assert "No signature was checked" in str(verified(part, with_keys=False))


def test_it_is_read_a_few_events_at_a_time(in_acme: Cast, ugo: User, monkeypatch: pytest.MonkeyPatch) -> None:
    story(in_acme)
    monkeypatch.setattr(audit_exports, "BATCH", 3)
    span = audit_exports.export(in_acme.acme, form="jsonl", by=ugo)
    parts = list(audit_exports.json_lines(span, audit_keys.signer()))
    assert max(part.count("\n") for part in parts) <= 6
    assert not verified("".join(parts).encode()).count


def test_events_that_went_meanwhile_leave_it_without_an_end(in_acme: Cast, ugo: User) -> None:
    span = audit_exports.export(in_acme.acme, form="jsonl", by=ugo)
    more = audit_exports.Span(span.tenant, span.first, span.last + 5, span.at, span.by)
    with pytest.raises(audit_exports.Incomplete):
        list(audit_exports.json_lines(more, audit_keys.signer()))


# --- whoever bends it -------------------------------------------------------------------------------------------------

Lines = list[bytes]


def _somewhere(lines: Lines, dice: random.Random) -> int:
    """Anywhere, or where it is delicate: the ends and the signed heads."""
    delicate = [0, 1, len(lines) - 2, len(lines) - 1, *(at for at, line in enumerate(lines) if line.startswith(b'{"head"'))]
    return dice.choice(delicate) if dice.random() < 0.4 else dice.randrange(len(lines))


def _flip_a_bit(lines: Lines, dice: random.Random) -> tuple[Lines, int]:
    at = _somewhere(lines, dice)
    line = bytearray(lines[at])
    line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    return [*lines[:at], bytes(line), *lines[at + 1 :]], at


def _change_a_field(lines: Lines, dice: random.Random) -> tuple[Lines, int]:
    at = _somewhere(lines, dice)
    row = json.loads(lines[at])
    name = dice.choice(sorted(row))
    row[name] = row[name] + 1 if isinstance(row[name], int) else f"{row[name]}x"
    return [*lines[:at], _written(row), *lines[at + 1 :]], at


def _change_and_recompute(lines: Lines, dice: random.Random) -> tuple[Lines, int]:
    """Somebody who knows how digests are made."""
    at = dice.choice([at for at, line in enumerate(lines) if b'"digest"' in line])
    row, chain = json.loads(lines[at]), json.loads(lines[0])["chain"]
    name = dice.choice(["actor_name", "kind", "subject_name", "ip", "previous"])
    row[name] = f"{row[name]}x"
    row["digest"] = audit_proof.digest_of(row, chain=chain)
    return [*lines[:at], _written(row), *lines[at + 1 :]], at


def _drop(lines: Lines, dice: random.Random) -> tuple[Lines, int]:
    at = _somewhere(lines, dice)
    return [*lines[:at], *lines[at + 1 :]], at


def _swap(lines: Lines, dice: random.Random) -> tuple[Lines, int]:
    one, other = sorted(dice.sample(range(len(lines)), 2))
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return swapped, one


def _insert(lines: Lines, dice: random.Random) -> tuple[Lines, int]:
    at = dice.randrange(len(lines) + 1)
    row = json.loads(dice.choice(lines))
    if "number" in row and dice.random() < 0.5:
        row["number"] = dice.choice([0, at, row["number"] + 1, 10**6])
    return [*lines[:at], _written(row), *lines[at:]], at


def _written(row: Any) -> bytes:
    return f"{audit_proof.canonical(row)}\n".encode()


BENDS: list[Callable[[Lines, random.Random], tuple[Lines, int]]] = [
    _flip_a_bit, _change_a_field, _change_and_recompute, _drop, _swap, _insert,
]  # fmt: skip


def test_whatever_is_bent_the_place_is_named(in_acme: Cast, ugo: User) -> None:
    story(in_acme)
    lines = export(in_acme, ugo).splitlines(keepends=True)
    public, dice = keys(), random.Random(20270331)
    for turn in range(TIMES):
        bend = BENDS[turn % len(BENDS)]
        bent, at = bend(lines, dice)
        report = audit_proof.verify(io.BytesIO(b"".join(bent)), public)
        named = {fault.line for fault in report.faults}
        # Lines count from 1. What is missing shows at the next line, what was recomputed at the event after; a line
        # that was broken or joined by a changed line end shifts by one. At the end the last line is named.
        near = {at, at + 1, at + 2, len(bent)} if at >= len(bent) - 1 else {at + 1, at + 2}
        if bent == lines:
            assert not report.count
            continue
        assert named & near, f"{turn} {bend.__name__} at line {at + 1}: {report or 'nothing'}"


@pytest.mark.parametrize(("name", "says"), [("previous", "another digest before it"), ("actor_name", "another digest of it")])
def test_at_both_ends_it_is_the_signed_end_that_tells(in_acme: Cast, ugo: User, name: str, says: str) -> None:
    """Recomputed, one event alone holds in itself."""
    header, line, end = export(in_acme, ugo, first=3, last=3).splitlines(keepends=True)
    row = json.loads(line) | {name: "0" * 64}
    row["digest"] = audit_proof.digest_of(row, chain=str(in_acme.acme.pk))
    report = verified(header + _written(row) + end)
    assert f"line 2: event 3 was changed: the end was signed over {says}." in str(report).splitlines()


@pytest.mark.parametrize("kind", ["head", "end"])
def test_a_signature_has_one_spelling(in_acme: Cast, ugo: User, kind: str) -> None:
    """The last character of base64url has bits that mean nothing; libraries read it either way."""
    story(in_acme, days=1)
    lines = export(in_acme, ugo).splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if line.startswith(f'{{"{kind}"'.encode()))
    token = json.loads(lines[at])[kind]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    lines[at] = _written({kind: token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]})
    report = verified(b"".join(lines))
    assert "its signature doesn't fit" in str(report)
    assert report.faults[0].line == at + 1


def test_a_line_has_one_spelling(in_acme: Cast, ugo: User) -> None:
    lines = export(in_acme, ugo).splitlines(keepends=True)
    lines[2] = lines[2].replace(b'":', b'": ', 1)
    assert str(verified(b"".join(lines))) == "line 3: this was changed: it can't be read as Portico writes it. Event 2 belongs here."


@pytest.mark.parametrize("name", ["by", "name", "tenant", "at"])
def test_whom_it_is_said_to_be_from_is_signed(in_acme: Cast, ugo: User, name: str) -> None:
    lines = export(in_acme, ugo).splitlines(keepends=True)
    lines[0] = _written({**json.loads(lines[0]), name: "another"})
    assert str(verified(b"".join(lines))).startswith("line 1: the header was changed")


def test_a_head_stands_once(in_acme: Cast, ugo: User) -> None:
    story(in_acme, days=1)
    lines = export(in_acme, ugo).splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if line.startswith(b'{"head"'))
    report = verified(b"".join([*lines[: at + 1], lines[at], *lines[at + 1 :]]))
    assert re.fullmatch(rf"line {at + 2}: the signed head of event \d+ stands here again\.", str(report))


def test_a_head_of_another_tenant_is_none_here(in_acme: Cast, ugo: User) -> None:
    lines = export(in_acme, ugo).splitlines(keepends=True)
    claims = {"chain": str(in_acme.globex.pk), "number": 3, "digest": json.loads(lines[3])["digest"], "at": ""}
    head = audit_proof.sign(claims, audit_keys.signer(), kind=audit_proof.HEAD)
    lines.insert(4, _written({"head": head}))
    assert str(verified(b"".join(lines))) == "line 5: this signed head is of another chain."


@pytest.mark.parametrize("bend", ["first", "last", "end", "head", "header"])
def test_what_is_taken_from_the_edges_is_missed(in_acme: Cast, ugo: User, bend: str) -> None:
    story(in_acme)
    lines = export(in_acme, ugo).splitlines(keepends=True)
    at = {"first": 1, "last": len(lines) - 2, "end": len(lines) - 1, "header": 0}.get(bend)
    at = at if at is not None else next(at for at, line in enumerate(lines) if line.startswith(b'{"head"'))
    report = verified(b"".join([*lines[:at], *lines[at + 1 :]]))
    said = {
        "first": "line 2: event 2 stands here, where event 1 belongs; event 1 is missing",
        "last": f"line {len(lines) - 1}: the end stands here, but event",
        "end": f"line {len(lines) - 1}: the last line is not the end that Portico signed",
        "head": f"line {at + 1}: the signed head of event",
        "header": "line 1: the header is missing",
    }[bend]
    assert str(report).startswith(said), report


def test_an_event_that_was_changed_is_named_with_its_digest(in_acme: Cast, ugo: User) -> None:
    story(in_acme)
    lines = export(in_acme, ugo).splitlines(keepends=True)
    row = json.loads(lines[5])
    row["actor_name"] = "Nobody"
    digest = audit_proof.digest_of(row, chain=str(in_acme.acme.pk))
    lines[5] = _written(row)
    report = verified(b"".join(lines))
    assert str(report) == f"line 6: event 5 was changed: its digest is {digest}, and {row['digest']} stands here."


def test_a_chain_written_anew_from_the_middle_fits_no_signature(in_acme: Cast, ugo: User) -> None:
    """Every digest recomputed, as one could who holds the database; heads that were signed before give it away."""
    story(in_acme)
    lines = export(in_acme, ugo).splitlines(keepends=True)
    chain, digest = json.loads(lines[0])["chain"], ""
    for at, line in enumerate(lines):
        row = json.loads(line)
        if "number" in row and row["number"] >= 5:
            row |= {"actor_name": "Nobody"} if row["number"] == 5 else {"previous": digest}
            digest = row["digest"] = audit_proof.digest_of(row, chain=chain)
            lines[at] = _written(row)
    first = next(at for at, line in enumerate(lines) if line.startswith(b'{"head"') and at > 5)
    report = verified(b"".join(lines))
    assert report.faults[0].line == first + 1
    assert "its digest was signed as" in str(report)


def test_keys_of_somebody_else_prove_nothing(in_acme: Cast, ugo: User) -> None:
    content = export(in_acme, ugo)
    other = audit_proof.read_keys(json.dumps({"keys": [tokens.public_jwk(tokens.generate("ES256"))]}))
    assert "its key is none of the public keys at hand" in str(audit_proof.verify(io.BytesIO(content), other))


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"[" * 100_000, b'{"end":"a.b.c"}\n', b"\xff\xfe\n", b'{"end":1}\n{"head":[]}\n'])
def test_junk_is_no_export(db: None, content: bytes) -> None:
    audit_keys.rotate()
    assert verified(content).count


# --- over REST --------------------------------------------------------------------------------------------------------


def content_of(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 422
    found: dict[str, list[str]] = answer.json()["errors"]
    return found


def test_ugo_takes_it_away_and_verifies_it(in_acme: Cast, ugo: User, rest: Rest) -> None:
    story(in_acme)
    answer = rest(ugo).get(f"{base(in_acme.acme)}/events/export/")
    assert answer.headers["Content-Type"] == "application/jsonl"
    assert re.fullmatch(r'attachment; filename="acme-audit-1-\d+\.jsonl"', answer.headers["Content-Disposition"])
    assert answer.headers["Cache-Control"] == "private, no-store"
    report = verified(content_of(answer))
    assert (report.count, report.tenant, report.heads) == (0, "acme", 4)
    told = Event.objects.get(kind="audit.exported")
    assert (told.actor_id, told.data) == (ugo.pk, {"format": "jsonl", "first": 1, "last": report.last})


def test_who_may(in_acme: Cast, ugo: User, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/events/export/"
    for user, status in ((in_acme.ada, 200), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (None, 401)):
        assert rest(user).get(at).status_code == status
    assert rest(ugo).head(at).status_code == 405
    assert Event.objects.filter(kind="audit.exported").count() == 1


def test_a_spreadsheet_is_narrowed_and_runs_nothing(in_acme: Cast, ugo: User, rest: Rest) -> None:
    make.application(in_acme.carl, name="=HYPERLINK(1)")
    make.application(in_acme.carl, name="Plain")
    answer = rest(ugo).get(f"{base(in_acme.acme)}/events/export/?format=csv&kind=application.created&who={in_acme.carl.pk}")
    header, *rows = csv.reader(io.StringIO(content_of(answer).decode()))
    assert tuple(header) == audit_proof.FIELDS
    assert [dict(zip(header, row, strict=True))["subject_name"] for row in rows] == ["'=HYPERLINK(1)", "Plain"]
    assert Event.objects.get(kind="audit.exported").data["kind"] == "application.created"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_no_cell_begins_a_formula(text: str) -> None:
    assert audit_exports.cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("format=xml", "format", "Choose from"),
        ("kind=lost&format=csv", "kind", "Choose from"),
        ("first=0", "first", ""),
        ("first=7&last=6", "first", "from 1 to 6"),
        ("last=999999", "last", "that of the last event"),
        ("first=99999999999999999999999", "first", ""),
        ("who=carl&format=csv", "who", "Give the id"),
        ("ip=1.2.3&format=csv", "ip", ""),
        ("kind=member.added", "kind", "JSON lines are whole"),
        ("since=yesterday&format=csv", "since", ""),
        ("colour=red", "colour", "no such field"),
    ],
)
def test_what_is_no_export_gets_a_sentence(in_acme: Cast, ugo: User, rest: Rest, query: str, field: str, says: str) -> None:
    answer = rest(ugo).get(f"{base(in_acme.acme)}/events/export/?{query}")
    assert says in errors(answer)[field][0]
    assert not Event.objects.filter(kind="audit.exported").exists()
