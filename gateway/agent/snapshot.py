"""The last-known-good snapshot: what this gateway's Envoy acknowledged, on its disk, sealed.

A journal says which resource of which version is in force, and when control was last heard of. The resources themselves lie in bundles,
one for each response of control: a tenant that changes is one bundle and one record, however many tenants there are. A bundle never
changes and is named at random, so none can be put in the place of another.

Nothing here may stop a relay: what the disk refuses is a `problem`, and what it concerns is no longer in the snapshot.
"""

import asyncio
import errno
import logging
import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from envoy.service.discovery.v3 import discovery_pb2

from gateway.agent import journal
from gateway.agent.clocks import Away, Moment
from gateway.agent.journal import Journal, Record
from gateway.agent.kinds import OF_A_TENANT, tenant_of
from gateway.agent.sealing import Sealer, UnreadableError, new_key, sync_folder, unwrapped, wrapped, write_all, write_whole

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

# An acknowledgement waits for the disk, and a revocation with it: not for longer than this.
PATIENCE_SECONDS = 1.0
# Envoy waits for what is read.
READ_SECONDS = 20.0
# A journal that has grown beyond both is written anew.
_LARGE, _TIMES = 1_000_000, 4
# In notes, see Snapshot.note: after a minute without a failure the next one is a first one.
_HEALTHY, _LONGEST_PAUSE = 12, 60
_PROBE = 1_000_000
_HEAD = b"PORTICO-BUNDLE 1\n"


@dataclass(frozen=True, slots=True)
class Entry:
    version: str
    bundle: str


@dataclass(frozen=True, slots=True)
class Served:
    """Envoy began at `restarted` while control was away, and got what it has from here since `since`; seconds, as `Away` counts them."""

    since: float
    restarted: float


@dataclass(slots=True)
class Snapshot:
    """`entries`: of each type and name what lies on the disk. `away` is None where nothing is known of control.

    `problem` says why the snapshot is not what it should be; `refused` what lay there and was not used.
    """

    folder: Path
    node: str
    credential: str = field(repr=False)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    away: Away | None = None
    served: Served | None = None
    problem: str = ""
    refused: str = ""
    _sealer: Sealer | None = None
    _journal: Journal | None = None
    _small: int = 0
    # So many notes pass until a disk that failed is tried again, more each time that it fails; and so many of them are left.
    _pause: int = 0
    _left: int = 0
    _healthy: int = 0
    # How many entries lie in each bundle.
    _uses: Counter[str] = field(default_factory=Counter)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _disk: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "disk"))
    _stuck: "asyncio.Future[object] | None" = None

    # At the start

    def load(self) -> None:
        """Whatever lies there; what is not this gateway's own is put aside and named."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bundles.mkdir(mode=0o700, exist_ok=True)
            self._read()
        except UnreadableError as error:
            self.refused = f"The snapshot is not used: {error}."
            log.error(self.refused)
            self._forget_all()
        except OSError as error:
            self._say("read", error)
        try:
            if self._sealer is None:
                self._begin_key()
            self._begin_journal([*self._records()])
            self._remove_orphans()
        except OSError as error:
            self._say("written", error)

    def refuse(self, why: str) -> None:
        """It is whole, but not to be served."""
        self.refused = f"The snapshot is not used: {why}"
        log.error(self.refused)
        self._forget_all()

    def _forget_all(self) -> None:
        self.entries, self.away, self.served = {}, None, None
        self._uses.clear()

    def _read(self) -> None:
        try:
            content = self._key_file.read_bytes()
        except FileNotFoundError:
            return
        sealer = Sealer(self.node, _named(self._key_file, lambda: unwrapped(content, node=self.node, credential=self.credential)))
        if self._path.exists():
            found = _named(self._path, lambda: journal.read(self._path, sealer))
            if found.torn:
                log.warning("The end of %s is torn; what stood before it is used.", self._path)
            for record in found.records:
                self._take(record)
        self._sealer = sealer

    def _take(self, record: Record) -> None:
        match record:
            case {"put": url, "in": bundle, "of": names}:
                for name, version in names:
                    self._put(url, name, Entry(version, bundle))
            case {"drop": dropped}:
                for url, name in dropped:
                    self._pop(url, name)
            case {"away": seconds, "wall": wall, "boot": boot, "up": up, "served": served}:
                self.away = Away(Moment(wall, boot, up), seconds)
                self.served = Served(*served) if served else None
            case _:
                raise UnreadableError(f"{self._path} holds a record that this agent does not know")

    def _begin_key(self) -> None:
        for path in (self._key_file, self._path):
            if path.exists():
                path.replace(path.with_name(f"{path.name}.refused"))
        key = new_key()
        write_whole(self._key_file, wrapped(key, node=self.node, credential=self.credential))
        self._sealer = Sealer(self.node, key)

    def _begin_journal(self, records: Sequence[Record]) -> None:
        if self._sealer is None:
            self._begin_key()
        assert self._sealer is not None
        self._journal = journal.begin(self._path, self._sealer, records)
        self._small = self._journal.size

    def _records(self) -> Iterator[Record]:
        """All that is known, in as few records as can be."""
        if self.away is not None:
            yield _clock(self.away, self.served)
        for url, entries in self.entries.items():
            bundles: dict[str, list[tuple[str, str]]] = {}
            for name, entry in entries.items():
                bundles.setdefault(entry.bundle, []).append((name, entry.version))
            for bundle, names in bundles.items():
                yield {"put": url, "in": bundle, "of": names}

    def _remove_orphans(self) -> None:
        for path in self._bundles.iterdir():
            if path.name not in self._uses:
                path.unlink(missing_ok=True)

    def _put(self, url: str, name: str, entry: Entry) -> None:
        self._pop(url, name)
        self.entries.setdefault(url, {})[name] = entry
        self._uses[entry.bundle] += 1

    def _pop(self, url: str, name: str) -> str | None:
        """The bundle that nobody refers to any more."""
        entry = self.entries.get(url, {}).pop(name, None)
        if entry is None:
            return None
        self._uses[entry.bundle] -= 1
        if self._uses[entry.bundle]:
            return None
        del self._uses[entry.bundle]
        return entry.bundle

    # What Envoy acknowledged

    def prepare(self, url: str, resources: Sequence[discovery_pb2.Resource]) -> "asyncio.Future[str] | None":
        """Bring them to the disk while Envoy looks at them; `commit` puts them in force. None where the disk does not take anything."""
        if self._journal is None or self._sealer is None or self._is_stuck:
            return None
        future = asyncio.get_running_loop().run_in_executor(self._disk, self._write_bundle, self._sealer, url, list(resources))
        # Whoever waits hears of it; and nobody does where Envoy refuses.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    async def commit(self, url: str, versions: Mapping[str, str], removed: Sequence[str], prepared: "asyncio.Future[str] | None") -> None:
        """Envoy has these, and no longer those. Both is on the disk when this returns, or a problem."""
        gone = [name for name in removed if name in self.entries.get(url, {})]
        if not gone and not versions:
            return
        unused = [self._pop(url, name) for name in (*gone, *versions)]
        try:
            records: list[Record] = []
            if versions:
                if prepared is None and self._journal is None:
                    # Nothing is taken since the problem that is known.
                    return
                if prepared is None:
                    raise OSError(errno.ETIMEDOUT, "the disk does not answer")
                bundle = await self._within(prepared)
                records.append({"put": url, "in": bundle, "of": [*versions.items()]})
            if gone:
                records.append({"drop": [(url, name) for name in gone]})
            await self._append(*records)
        except OSError as error:
            self._failed("written", error)
            return
        for name, version in versions.items():
            self._put(url, name, Entry(version, bundle))
        self._unlink(unused)

    def discard(self, prepared: "asyncio.Future[str] | None") -> None:
        """Envoy refused them."""

        def remove(done: "asyncio.Future[str]") -> None:
            if not done.cancelled() and done.exception() is None:
                self._unlink([done.result()])

        if prepared is not None:
            prepared.add_done_callback(remove)

    async def drop(self, url: str, names: Collection[str]) -> None:
        """Envoy no longer has these."""
        await self._drop([(url, name) for name in names if name in self.entries.get(url, {})])

    async def keep_tenants(self, slugs: Collection[str], certificates: Collection[str] = ()) -> None:
        """Control is about to hear that Envoy has these tenants, and that it need not wait for the others any more: so what is there of
        those is not served again, for it may give what has been taken since.

        :param certificates: those that Envoy has, which are of no slug: control hears of them one by one, and takes back what is gone.
        """
        kept = {*slugs, *certificates}
        await self._drop([(url, name) for url in sorted(OF_A_TENANT) for name in self.entries.get(url, {}) if tenant_of(name) not in kept])

    async def _drop(self, dropped: Sequence[tuple[str, str]]) -> None:
        if not dropped:
            return
        unused = [self._pop(url, name) for url, name in dropped]
        try:
            await self._append({"drop": dropped})
        except OSError as error:
            self._failed("written", error)
            return
        self._unlink(unused)

    # Serving

    def has(self, url: str, name: str, version: str) -> bool:
        """Whether it could be served. Of a disk that takes nothing that is not asked: telling it again would not help."""
        entry = self.entries.get(url, {}).get(name)
        return self._journal is None or (entry is not None and entry.version == version)

    def names(self, url: str, slug: str = "") -> list[str]:
        """Those of a type, in a stable order; only a tenant's."""
        return sorted(name for name in self.entries.get(url, {}) if not slug or tenant_of(name) == slug)

    async def read(self, url: str, names: Iterable[str]) -> list[discovery_pb2.Resource]:
        """Those of them that are there, whole and of this gateway."""
        wanted: dict[str, list[str]] = {}
        for name in names:
            entry = self.entries.get(url, {}).get(name)
            if entry is not None:
                wanted.setdefault(entry.bundle, []).append(name)
        found: dict[str, discovery_pb2.Resource] = {}
        for bundle, within in wanted.items():
            try:
                content = await self._within(self._begun(self._read_bundle, url, bundle), READ_SECONDS)
            except (UnreadableError, OSError) as error:
                self.problem = f"The snapshot can't be read: {', '.join(within[:3])} {_reason(error)}."
                log.error(self.problem)
                continue
            for name in within:
                each = content.get(name)
                entry = self.entries.get(url, {}).get(name)
                if each is not None and entry is not None and each.version == entry.version:
                    found[name] = each
        return [found[name] for name in sorted(found)]

    # The clock

    async def note(self, away: Away) -> bool:
        """How long control has been away. Returns whether a disk that took nothing takes all again."""
        self.away = away
        if self._journal is None:
            self._left -= 1
            return self._left <= 0 and await self._mend()
        self._healthy += 1
        if self._healthy > _HEALTHY:
            self._pause = 0
        try:
            await self._append(_clock(away, self.served))
            if self._journal is not None and self._journal.size > max(_LARGE, self._small * _TIMES):
                async with self._writing:
                    await self._do(self._begin_journal, [*self._records()])
        except OSError as error:
            self._failed("written", error)
        return False

    async def _mend(self) -> bool:
        try:
            async with self._writing:
                await self._do(self._probe)
                await self._do(self._begin_journal, [*self._records()])
        except OSError as error:
            self._left = self._pause
            self._failed("written", error)
            return False
        self.problem = ""
        log.info("The snapshot can be written again.")
        return True

    async def sealed_under(self, credential: str) -> None:
        """The gateway has another credential."""
        if credential == self.credential:
            return
        self.credential = credential
        if self._sealer is None:
            return
        try:
            await self._do(write_whole, self._key_file, wrapped(self._sealer.key, node=self.node, credential=credential))
        except OSError as error:
            self._failed("written", error)

    # The disk

    @property
    def _path(self) -> Path:
        return self.folder / "journal"

    @property
    def _key_file(self) -> Path:
        return self.folder / "key"

    @property
    def _bundles(self) -> Path:
        return self.folder / "bundles"

    @property
    def _is_stuck(self) -> bool:
        return self._stuck is not None and not self._stuck.done()

    def _say(self, what: str, error: OSError) -> None:
        said = f"The snapshot can't be {what}: {_reason(error)}."
        if said != self.problem:
            log.error(said)
        self.problem = said

    def _failed(self, what: str, error: OSError) -> None:
        """What lies there may be older than what Envoy acknowledged: away with it, if that much is possible."""
        if self._journal is not None:
            self._journal, self._healthy = None, 0
            self._pause = self._left = min(max(1, self._pause * 2), _LONGEST_PAUSE)
        self._say(what, error)
        if not self._is_stuck:
            self._disk.submit(_try_unlink, self._path)

    async def _append(self, *records: Record) -> None:
        async with self._writing:
            for record in records:
                if self._journal is None:
                    return
                await self._do(self._journal.append, record)

    async def _do(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._within(self._begun(work, *args, **kwargs))

    def _begun(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[R]":
        if self._is_stuck:
            raise OSError(errno.ETIMEDOUT, "the disk does not answer")
        return asyncio.get_running_loop().run_in_executor(self._disk, lambda: work(*args, **kwargs))

    async def _within(self, future: "asyncio.Future[R]", seconds: float | None = None) -> R:
        done, _ = await asyncio.wait([future], timeout=PATIENCE_SECONDS if seconds is None else seconds)
        if not done:
            self._stuck = future  # type: ignore[assignment]
            future.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise OSError(errno.ETIMEDOUT, "the disk does not answer")
        return future.result()

    def _probe(self) -> None:
        probe = self._bundles / "probe"
        write_whole(probe, bytes(_PROBE))
        probe.unlink()

    def _write_bundle(self, sealer: Sealer, url: str, resources: Sequence[discovery_pb2.Resource]) -> str:
        bundle = secrets.token_hex(16)
        plain = discovery_pb2.DeltaDiscoveryResponse(type_url=url, resources=resources).SerializeToString()
        descriptor = os.open(self._bundles / bundle, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, _HEAD + sealer.seal(plain, b"bundle", bundle.encode(), url.encode()))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._bundles)
        return bundle

    def _read_bundle(self, url: str, bundle: str) -> dict[str, discovery_pb2.Resource]:
        content = (self._bundles / bundle).read_bytes()
        if not content.startswith(_HEAD) or self._sealer is None:
            raise UnreadableError("is torn, or of another format")
        plain = self._sealer.open(content.removeprefix(_HEAD), b"bundle", bundle.encode(), url.encode())
        return {each.name: each for each in discovery_pb2.DeltaDiscoveryResponse.FromString(plain).resources}

    def _unlink(self, bundles: Iterable[str | None]) -> None:
        for bundle in bundles:
            if bundle is not None:
                self._disk.submit(_try_unlink, self._bundles / bundle)


def _clock(away: Away, served: Served | None) -> Record:
    at = away.at
    told = [served.since, served.restarted] if served else None
    return {"away": away.seconds, "wall": at.wall, "boot": at.boot, "up": at.up, "served": told}


def _named(path: Path, work: Callable[[], R]) -> R:
    try:
        return work()
    except UnreadableError as error:
        raise UnreadableError(f"{path} {error}") from error


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _try_unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s can't be removed (%s).", path, error.strerror)
