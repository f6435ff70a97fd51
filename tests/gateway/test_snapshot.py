"""The snapshot on a gateway's disk: what it takes, what it refuses, and how old it may be."""

import asyncio
import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from gateway.agent import journal, kinds, sealing
from gateway.agent import snapshot as snapshots
from gateway.agent.clocks import Away, ClockError, Moment
from gateway.agent.kinds import CLUSTER, ROUTES, SCOPE, SECRET
from gateway.agent.snapshot import Snapshot
from gateway.control import MAX_REQUEST
from gateway.envoy import resources

NODE, CREDENTIAL = "edge", "ptc_node_of-edge"


def opened(folder: Path, *, node: str = NODE, credential: str = CREDENTIAL) -> Snapshot:
    found = Snapshot(folder / "snapshot", node, credential)
    found.load()
    return found


def resource(name: str, version: str, content: bytes = b"") -> discovery_pb2.Resource:
    found = discovery_pb2.Resource(name=name, version=version)
    found.resource.value = content or f"{name} at {version}".encode()
    return found


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def acknowledged(to: Snapshot, url: str, *given: discovery_pb2.Resource, removed: tuple[str, ...] = ()) -> None:
    prepared = to.prepare(url, given) if given else None
    await to.commit(url, {each.name: each.version for each in given}, removed, prepared)


async def versions(of: Snapshot, url: str, *names: str) -> dict[str, str]:
    return {each.name: each.version for each in await of.read(url, names or of.names(url))}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with the snapshot of a gateway that has two tenants."""

    async def fill() -> None:
        found = opened(tmp_path)
        await acknowledged(found, SCOPE, resource("acme", "1"), resource("globex", "1"))
        for slug in ("acme", "globex"):
            await acknowledged(found, CLUSTER, resource(f"{slug}/a", "1"))
            await acknowledged(found, SECRET, resource(f"{slug}/a", "1", b"a secret"))
            await acknowledged(found, ROUTES, resource(slug, "1"))
        await acknowledged(found, ROUTES, resource("acme", "2"))
        await found.note(Away(Moment(1_000.0, "boot", 10.0), 5.0))

    run(fill())
    return tmp_path


def test_it_knows_the_types_and_sizes_of_the_others() -> None:
    assert (kinds.CLUSTER, kinds.LISTENER, kinds.ROUTES, kinds.SCOPE, kinds.SECRET) == (
        resources.CLUSTER,
        resources.LISTENER,
        resources.ROUTES,
        resources.SCOPE,
        resources.SECRET,
    )
    assert kinds.MAX_REQUEST == MAX_REQUEST


def test_what_was_acknowledged_is_there_after_a_start(kept: Path) -> None:
    found = opened(kept)
    assert (found.problem, found.refused) == ("", "")
    assert run(versions(found, ROUTES)) == {"acme": "2", "globex": "1"}
    assert run(versions(found, SCOPE)) == {"acme": "1", "globex": "1"}
    assert run(found.read(SECRET, ["acme/a"]))[0].resource.value == b"a secret"
    assert found.names(CLUSTER, "acme") == ["acme/a"]
    assert found.away == Away(Moment(1_000.0, "boot", 10.0), 5.0)


def test_a_change_of_one_tenant_touches_one_tenant(kept: Path) -> None:
    """And nothing stays that nobody refers to."""
    found = opened(kept)
    bundles = kept / "snapshot" / "bundles"
    before = {path.name for path in bundles.iterdir()}
    assert len(before) == 7
    size = found._journal.size if found._journal else 0

    async def change() -> None:
        await acknowledged(found, ROUTES, resource("acme", "3"))
        await found._do(lambda: None)

    run(change())
    after = {path.name for path in bundles.iterdir()}
    assert (len(after - before), len(before - after)) == (1, 1)
    assert (kept / "snapshot" / "journal").stat().st_size - size < 400


def test_what_is_removed_dropped_or_no_longer_kept_is_gone_after_a_start_too(kept: Path) -> None:
    async def change() -> None:
        found = opened(kept)
        await acknowledged(found, SCOPE, removed=("acme", "unknown"))
        await found.drop(SECRET, ["acme/a", "unknown"])
        await found.keep_tenants({"globex"})

    run(change())
    found = opened(kept)
    assert {url: found.names(url) for url in (SCOPE, CLUSTER, SECRET, ROUTES)} == {
        SCOPE: ["globex"],
        CLUSTER: ["globex/a"],
        SECRET: ["globex/a"],
        ROUTES: ["globex"],
    }


def test_what_envoy_refuses_is_not_kept(kept: Path) -> None:
    async def refuse() -> None:
        found = opened(kept)
        prepared = found.prepare(ROUTES, [resource("acme", "bad")])
        found.discard(prepared)
        assert prepared is not None
        await asyncio.wait([prepared])
        await asyncio.sleep(0)
        await found._do(lambda: None)

    run(refuse())
    assert len([*(kept / "snapshot" / "bundles").iterdir()]) == 7
    assert run(versions(opened(kept), ROUTES, "acme")) == {"acme": "2"}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def other_letter(path: Path) -> None:
    """Another letter of Base64 in the sealed key: a bit turned over may be none, and then the file is torn and not changed."""
    content = path.read_bytes()
    at = content.find(b'"key": "') + 12
    path.write_bytes(content[:at] + (b"A" if content[at : at + 1] != b"A" else b"B") + content[at + 1 :])


def truncate(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def other_format(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 0', 1))


def swap_records(path: Path) -> None:
    """The last two records the other way round: both are ours, and neither is in its place."""
    content = path.read_bytes()
    at = content.find(b"\n") + 1
    parts = []
    while at < len(content):
        length = int.from_bytes(content[at : at + 4]) + 4
        parts.append(content[at : at + length])
        at += length
    path.write_bytes(content[: content.find(b"\n") + 1] + b"".join([*parts[:-2], parts[-1], parts[-2]]))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_something_else(path: Path) -> None:
    path.write_bytes(b"[]\n")


SPOILT: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a byte in the journal": ("journal", lambda path: flip(path, path.stat().st_size // 2), "is not what this gateway wrote: record"),
    "the journal's header": ("journal", lambda path: flip(path, 3), "is torn at its beginning, or of another kind"),
    "records that changed places": ("journal", swap_records, "is not what this gateway wrote: record"),
    "an old format": ("journal", other_format, "has the format 0, and this agent knows 1"),
    "an empty journal": ("journal", empty, "is torn at its beginning, or of another kind"),
    "a journal of something else": ("journal", of_something_else, "is torn at its beginning, or of another kind"),
    "a key that was changed": ("key", other_letter, "was changed, or is sealed under"),
    "a torn key": ("key", lambda path: truncate(path, 30), "is torn, or of another kind"),
    "a key of an old format": ("key", other_format, "has the format 0, and this agent knows 1"),
}


@pytest.mark.parametrize("name", [*SPOILT])
def test_what_this_gateway_did_not_write_is_refused_and_named(kept: Path, name: str) -> None:
    file, spoil, said = SPOILT[name]
    spoil(kept / "snapshot" / file)
    found = opened(kept)
    assert f"{file} {said}" in found.refused
    assert (found.entries, found.away, found.problem) == ({}, None, "")
    # It is put aside, and a new one begun.
    assert (kept / "snapshot" / "journal.refused").exists()
    run(acknowledged(found, ROUTES, resource("acme", "4")))
    again = opened(kept)
    assert (again.refused, run(versions(again, ROUTES))) == ("", {"acme": "4"})


def test_another_gateways_snapshot_is_refused(kept: Path) -> None:
    assert "is that of the gateway 'edge'" in opened(kept, node="other").refused


def test_a_snapshot_under_another_credential_is_refused(kept: Path) -> None:
    assert "was changed, or is sealed under another credential" in opened(kept, credential="ptc_node_of-eve").refused


def test_a_credential_that_changes_is_one_small_file(kept: Path) -> None:
    found = opened(kept)
    run(found.sealed_under("ptc_node_new"))
    assert "another credential" in opened(kept).refused
    shutil.move(kept / "snapshot" / "key.refused", kept / "snapshot" / "key")
    shutil.move(kept / "snapshot" / "journal.refused", kept / "snapshot" / "journal")
    assert opened(kept, credential="ptc_node_new").refused == ""


def test_a_bundle_in_the_place_of_another_is_not_served(kept: Path) -> None:
    """Both were written by this gateway: an older table of who may call, say."""
    found = opened(kept)
    bundles = kept / "snapshot" / "bundles"
    acme, globex = (bundles / found.entries[ROUTES][slug].bundle for slug in ("acme", "globex"))
    acme.write_bytes(globex.read_bytes())
    assert run(versions(found, ROUTES)) == {"globex": "1"}
    assert found.problem == "The snapshot can't be read: acme was changed, or belongs elsewhere."


def test_a_bundle_that_is_torn_or_gone_is_not_served(kept: Path) -> None:
    found = opened(kept)
    truncate(kept / "snapshot" / "bundles" / found.entries[ROUTES]["acme"].bundle, 3)
    (kept / "snapshot" / "bundles" / found.entries[ROUTES]["globex"].bundle).unlink()
    assert run(versions(found, ROUTES)) == {}


@pytest.mark.parametrize("by", [1, 5, 20])
def test_a_journal_that_was_cut_short_is_an_earlier_one(kept: Path, by: int) -> None:
    """As after a loss of power; and who cuts it on purpose gets a snapshot that says itself how old it is."""
    run(acknowledged(opened(kept), ROUTES, resource("acme", "5")))
    truncate(kept / "snapshot" / "journal", by)
    found = opened(kept)
    assert found.refused == ""
    assert run(versions(found, ROUTES, "globex")) == {"globex": "1"}
    assert found.away == Away(Moment(1_000.0, "boot", 10.0), 5.0)


def test_zeros_at_the_end_are_a_torn_end(kept: Path) -> None:
    with (kept / "snapshot" / "journal").open("ab") as file:
        file.write(bytes(4096))
    assert run(versions(opened(kept), ROUTES)) == {"acme": "2", "globex": "1"}


class Full:
    """A disk without room: what is opened can be read, and nothing written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.now, self.code, self.write = True, code, os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor: int, content: Any) -> int:
        # asyncio writes to its own pipe by the same function.
        if self.now and len(content) > 1:
            raise OSError(self.code, os.strerror(self.code))
        return self.write(descriptor, content)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_nothing_is_a_problem_until_it_does(kept: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    async def work() -> None:
        found = opened(kept)
        disk = Full(monkeypatch, code)
        await acknowledged(found, ROUTES, resource("acme", "6"))
        assert found.problem == f"The snapshot can't be written: {os.strerror(code)}."
        # What Envoy has now is not there, and what it had is not served in its place.
        assert await versions(found, ROUTES) == {"globex": "1"}
        assert found.has(ROUTES, "acme", "6"), "Control would send it again and again."
        assert not await found.note(Away(Moment(2.0, "boot", 2.0)))
        await found._do(lambda: None)
        assert not (kept / "snapshot" / "journal").exists()
        disk.now = False
        assert await found.note(Away(Moment(2.0, "boot", 2.0)))
        assert found.problem == ""
        assert not found.has(ROUTES, "acme", "6"), "Control has to send it again."

    run(work())
    assert run(versions(opened(kept), ROUTES)) == {"globex": "1"}


def test_a_disk_that_does_not_answer_holds_up_one_acknowledgement(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PATIENCE_SECONDS", 0.05)

    async def work() -> None:
        found = opened(kept)
        stands = threading.Event()
        found._disk.submit(stands.wait)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(20):
            await acknowledged(found, ROUTES, resource("acme", f"late {number}"))
        assert loop.time() - began < 0.5
        assert found.problem == "The snapshot can't be written: the disk does not answer."
        stands.set()
        while not await found.note(Away(Moment(2.0, "boot", 2.0))):
            await asyncio.sleep(0.01)
        assert await versions(found, ROUTES) == {"globex": "1"}

    run(work())
    assert run(versions(opened(kept), ROUTES)) == {"globex": "1"}


def test_a_folder_that_can_not_be_made_is_a_problem_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "snapshot").write_text("a file in its place")
    found = opened(tmp_path)
    assert found.problem == "The snapshot can't be written: Not a directory."
    run(acknowledged(found, ROUTES, resource("acme", "1")))


def test_a_journal_that_grew_is_written_anew(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_LARGE", 5_000)
    found = opened(kept)
    path = kept / "snapshot" / "journal"

    async def work() -> None:
        for number in range(200):
            await found.note(Away(Moment(float(number), "boot", 1.0)))

    run(work())
    assert path.stat().st_size < 6_000
    assert run(versions(opened(kept), ROUTES)) == {"acme": "2", "globex": "1"}


def test_five_thousand_tenants_are_read_in_a_moment(tmp_path: Path) -> None:
    """And one of them costs what it costs among two."""

    async def fill() -> None:
        found = opened(tmp_path)
        slugs = [f"tenant-{number:04}" for number in range(5_000)]
        await acknowledged(found, SCOPE, *(resource(slug, "1") for slug in slugs))
        assert found.problem == ""
        for slug in slugs[:50]:
            await acknowledged(found, ROUTES, resource(slug, "1"))

    run(fill())
    found = opened(tmp_path)
    assert len(run(found.read(SCOPE, found.names(SCOPE)))) == 5_000
    assert len([*(tmp_path / "snapshot" / "bundles").iterdir()]) == 51


# Sealing


def test_what_is_sealed_opens_as_nothing_else() -> None:
    sealer = sealing.Sealer(NODE, sealing.new_key())
    sealed = sealer.seal(b"plain", b"bundle", b"one")
    assert sealer.open(sealed, b"bundle", b"one") == b"plain"
    for other, about in (
        (sealer, (b"bundle", b"two")),
        (sealer, (b"bundleone",)),
        (sealer, (b"journal", b"one")),
        (sealing.Sealer("other", sealer.key), (b"bundle", b"one")),
        (sealing.Sealer(NODE, sealing.new_key()), (b"bundle", b"one")),
    ):
        with pytest.raises(sealing.UnreadableError):
            other.open(sealed, *about)
    for broken in (b"", sealed[:11], sealed[:-1], b"x" * 40):
        with pytest.raises(sealing.UnreadableError):
            sealer.open(broken, b"bundle", b"one")


def test_a_journal_says_which_file_it_is(tmp_path: Path) -> None:
    """So a record of an older generation of the same gateway is not one of this."""
    sealer = sealing.Sealer(NODE, sealing.new_key())
    one = journal.begin(tmp_path / "one", sealer, [{"number": 1}])
    two = journal.begin(tmp_path / "two", sealer, [{"number": 2}])
    header, other = one.path.read_bytes().split(b"\n", 1)[0], two.path.read_bytes().split(b"\n", 1)[1]
    assert json.loads(header)["node"] == NODE
    one.path.write_bytes(header + b"\n" + other)
    with pytest.raises(sealing.UnreadableError, match="record 1 was changed, or belongs elsewhere"):
        journal.read(one.path, sealer)


# Clocks


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        # The same start of the machine: its clock may say what it likes.
        (Moment(0.0, "one", 110.0), 107.0),
        (Moment(9e9, "one", 110.0), 107.0),
        # Another start: the clock counts, and a little backwards is none.
        (Moment(1_300.0, "two", 5.0), 307.0),
        (Moment(990.0, "two", 5.0), 7.0),
    ],
)
def test_how_long_control_has_been_away(now: Moment, seconds: float) -> None:
    assert Away(Moment(1_000.0, "one", 10.0), 7.0).until(now) == Away(now, seconds)


def test_a_clock_that_was_set_back_across_a_start_tells_no_age() -> None:
    with pytest.raises(ClockError):
        Away(Moment(1_000.0, "one", 10.0), 7.0).until(Moment(930.0, "two", 5.0))


def test_certificates_that_envoy_has_outlive_a_new_stream(tmp_path: Path) -> None:
    async def go() -> list[str]:
        found = opened(tmp_path)
        await acknowledged(
            found, SECRET, *(resource(name, "1") for name in ("portico-gateway", "api.acme.example", "gone.example", "globex/a"))
        )
        await found.keep_tenants(["acme"], ["portico-gateway", "api.acme.example"])
        return found.names(SECRET)

    assert run(go()) == ["api.acme.example", "portico-gateway"]
