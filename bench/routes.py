"""How much slower the last of 1,000 operations is than the first: `python -m bench.routes`.

The document has 500 operations with a concrete beginning and 500 under one `/{a}/{b}/`. One Envoy worker, without the
enforcement chain, passes the calls to an upstream (another Envoy). Goal: last / first >= 0.95 in calls per second,
median of 7 paired runs. Also printed: the same when the gateway answers by itself, where choosing the route is as large
a part of a call as it can be. Needs `wrk` (Debian: apt-get install wrk).
"""

import re
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from gateway.envoy.paths import Entry, matcher

BASE = "/acme/big/v1"
PAIRS = 7
SECONDS = 2
GOAL = 0.95


def operations() -> list[str]:
    concrete = [f"{BASE}/thing{i:03}/{{id}}" for i in range(500)]
    templated = [f"{BASE}/{{a}}/{{b}}/item{i:03}" + ("/{c}" if i % 2 else "") for i in range(500)]
    return concrete + templated


def answered(name: str, status: int = 200) -> route_pb2.Route:
    return route_pb2.Route(name=name, direct_response=route_pb2.DirectResponseAction(status=status))


def passed(name: str) -> route_pb2.Route:
    return route_pb2.Route(name=name, route=route_pb2.RouteAction(cluster="upstream"))


def virtual_host(domain: str, operation: Callable[[str], route_pb2.Route]) -> route_pb2.VirtualHost:
    host = route_pb2.VirtualHost(name=domain, domains=[domain])
    entries = [Entry("GET", template, operation(template), BASE) for template in operations()]
    started = time.perf_counter()
    found = matcher(entries, fixed=[], wrong_method=lambda *_: answered("405", 405), no_route=answered("404", 404))
    print(f"{domain}: built in {(time.perf_counter() - started) * 1000:.0f} ms, {found.ByteSize() / 1000:.0f} kB")
    host.matcher.CopyFrom(found)
    return host


def loopback(port: int) -> address_pb2.Address:
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address="127.0.0.1", port_value=port))


def bootstrap(port: int, admin: int, hosts: Sequence[route_pb2.VirtualHost], upstream: int = 0) -> bootstrap_pb2.Bootstrap:
    manager = hcm_pb2.HttpConnectionManager(stat_prefix="bench", merge_slashes=True)
    manager.normalize_path.value = True
    manager.route_config.virtual_hosts.extend(hosts)
    manager.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    config = bootstrap_pb2.Bootstrap()
    config.admin.address.CopyFrom(loopback(admin))
    listener = config.static_resources.listeners.add(name="bench", address=loopback(port))
    listener.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    cluster = config.static_resources.clusters.add(name="upstream")
    cluster.load_assignment.cluster_name = "upstream"
    endpoint = cluster.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    endpoint.address.CopyFrom(loopback(upstream))
    return config


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def envoy(hosts: Sequence[route_pb2.VirtualHost], upstream: int = 0) -> Iterator[int]:
    """A running Envoy with one worker; yields its port."""
    port, admin = free_ports()
    binary = Path(sysconfig.get_path("scripts")) / "envoy"
    with tempfile.NamedTemporaryFile(suffix=".pb") as file:
        file.write(bootstrap(port, admin, hosts, upstream).SerializeToString(deterministic=True))
        file.flush()
        command: list[str | Path] = [
            binary,
            "-c",
            file.name,
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "-l",
            "error",
        ]
        process = subprocess.Popen(command)
        try:
            wait_until_ready(process, f"http://127.0.0.1:{admin}/ready")
            yield port
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit("Envoy refused the configuration.")
        try:
            with urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("Envoy did not start within 30 seconds.")


def calls_per_second(port: int, host: str, path: str) -> float:
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "-H", f"Host: {host}", url]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in printed:
        sys.exit(f"{url} was not answered by its operation.")
    found = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if not found:
        sys.exit(f"wrk printed no rate:\n{printed}")
    return float(found[1])


def last_to_first(port: int, host: str) -> float:
    first, *_, last = (re.sub(r"\{\w+\}", "4711", template) for template in operations())
    ratios = []
    for pair in range(PAIRS):
        # Every other pair the other way round, so that a machine growing slower favours neither.
        order = (first, last) if pair % 2 else (last, first)
        rate = {path: calls_per_second(port, host, path) for path in order}
        ratios.append(rate[last] / rate[first])
        print(f"{host}: first {rate[first]:.0f}/s, last {rate[last]:.0f}/s, ratio {ratios[-1]:.3f}")
    return statistics.median(ratios)


def main() -> None:
    everything = route_pb2.VirtualHost(name="upstream", domains=["*"], routes=[answered("upstream")])
    everything.routes[0].match.prefix = "/"
    hosts = [virtual_host("passed", passed), virtual_host("answered", answered)]
    with envoy([everything]) as upstream, envoy(hosts, upstream) as gateway:
        ratio = last_to_first(gateway, "passed")
        alone = last_to_first(gateway, "answered")
    print(f"last / first of 1,000 operations, median of {PAIRS} pairs: {ratio:.3f} (goal {GOAL}); unproxied {alone:.3f}")
    sys.exit(ratio < GOAL)


if __name__ == "__main__":
    main()
