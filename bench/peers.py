"""What the gateway's checks cost beside what others do in its place: `python -m bench.peers`. Needs Linux, `wrk`, nginx, HAProxy.

Goals, medians of paired runs: the whole chain >= 0.70 of a bare Envoy, > 1.0 of nginx with `auth_request` and an authoriser that costs
nothing, > 1.3 of HAProxy with `jwt_verify`.

One upstream for all: an nginx that answers at once. One worker each, and the same call with the same access token (ES256), over kept
connections. The proxies run alone on one core; wrk, the upstream, the authoriser and the rest of the stack share the others. They are
called in turn, round by round, in an order that turns as well; a ratio is that of one round.

- Portico is the stack's own gateway, configured by its control plane as by default: a tenant with 5,000 subscriptions, access log on.
- A bare Envoy is the same binary with a route to the upstream, and nothing else.
- nginx asks, for each call, an authoriser that answers 204 without looking at it, over a kept connection to another nginx. Told beside,
  and no goals: the same as its manual shows it, with a new connection for each call and each question; and with a location of its own in
  place of the authoriser, which is the sub-request alone.
- HAProxy verifies the signature and the algorithm, and nothing else: neither the token's end nor whom it is for.

CPU per call is told, too: other programs on the machine move it less than the rate.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.stage import STACK, VAR, report, stack, until, wrk
from portal.stack import envoy, probes
from portal.stack.ports import HOST, Ports, choose
from portal.stack.stack import Stack

ROUNDS, SECONDS, CONNECTIONS = 7, 3, 32
BARE, NGINX, HAPROXY = "bare Envoy", "nginx auth_request", "HAProxy jwt_verify"
PORTICO, KEY, NEW = "Portico, access token", "Portico, API key", "Portico, each token new"
GOALS = {BARE: 0.70, NGINX: 1.0, HAPROXY: 1.3}
SHOWN, NO_HOP = f"{NGINX}, as shown", f"{NGINX}, to itself"
FOLDER = VAR / "peers"
BODY = '{"id": "7f3a"}'
# Where Debian keeps what only root is thought to want.
PATHS = f"{os.environ['PATH']}:/usr/sbin:/sbin"
CORES = sorted(os.sched_getaffinity(0))
# With a single core nothing can be kept apart.
PROXIES, OTHERS = ({CORES[0]}, set(CORES[1:]) or {CORES[0]})


@dataclass(frozen=True, slots=True)
class Subject:
    """What is called: where, by whose process, with which headers."""

    url: str
    process: psutil.Process
    headers: dict[str, str] = field(repr=False)
    script: str = ""

    def run(self, seconds: int = SECONDS) -> tuple[float, float]:
        """Calls per second, and microseconds of a core per call."""
        before = spent(self.process)
        rate = wrk(self.url, seconds=seconds, connections=CONNECTIONS, headers=self.headers, script=self.script)
        return rate, (spent(self.process) - before) / (rate * seconds) * 1e6


def free() -> int:
    return choose(Ports(0, 0, 0, 0), needed={"web"}).web


def spent(process: psutil.Process) -> float:
    """Seconds of a core, of its children, too."""
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children()))


def main() -> int:
    for binary in ("wrk", "nginx", "haproxy"):
        if shutil.which(binary, path=PATHS) is None:
            sys.exit(f"This measurement needs {binary}: apt-get install {binary}")
    # What is started from here on stays beside the proxies.
    os.sched_setaffinity(0, OTHERS)
    envoy.CONCURRENCY = 1
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    # The limit per address is on, as by default, but wide: all calls come from one.
    with ExitStack() as started:
        port, authoriser = free(), free()
        started.enter_context(server("upstream", nginx_upstream(port, authoriser), port, OTHERS))
        running = started.enter_context(stack(PORTICO_ADDRESS_CALLS_PER_SECOND="1000000"))
        subjects = dict(of_portico(running, port)) | dict(peers(started, port, authoriser))
        check(subjects)
        for each in subjects.values():
            each.run()
        rounds = []
        for number in range(ROUNDS):
            turned = [*subjects][number % len(subjects) :] + [*subjects][: number % len(subjects)]
            rounds.append({name: subjects[name].run() for name in turned})
    return told(rounds)


def of_portico(running: Stack, port: int) -> Iterator[tuple[str, Subject]]:
    command = [sys.executable, "-m", "bench.callers", f"http://{HOST}:{port}", str(FOLDER)]
    environment = {**os.environ, "PORTICO_VAR": str(STACK)}
    made = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    (FOLDER / "made.json").write_text(json.dumps(made))
    process = psutil.Process(running.pids()["envoy"])
    move(process.pid, PROXIES)
    url = f"{running.gateway_url}{made['path']}"
    yield PORTICO, Subject(url, process, bearer(token()))
    yield KEY, Subject(url, process, bearer(made["api_key"]))
    yield NEW, Subject(url, process, {}, script=in_turn())


def peers(started: ExitStack, port: int, authoriser: int) -> Iterator[tuple[str, Subject]]:
    made = json.loads((FOLDER / "made.json").read_text())
    servers = {
        BARE: bare_envoy,
        NGINX: lambda at, to: nginx(at, to, authoriser),
        SHOWN: lambda at, to: nginx(at, to, authoriser, kept=False),
        NO_HOP: lambda at, to: nginx(at, to, None),
        HAPROXY: lambda at, to: haproxy(at, to, made["algorithm"]),
    }
    for number, (name, command) in enumerate(servers.items()):
        at = free()
        process = started.enter_context(server(f"peer-{number}", command(at, port), at, PROXIES))
        yield name, Subject(f"http://{HOST}:{at}{made['path']}", process, bearer(token()))


def token() -> str:
    return (FOLDER / "tokens").read_text().partition("\n")[0]


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def in_turn() -> str:
    """Calls by wrk, each with another token."""
    return f"""
        local tokens, at = {{}}, 0
        for line in io.lines("{FOLDER / "tokens"}") do tokens[#tokens + 1] = "Bearer " .. line end
        function request()
            at = at % #tokens + 1
            wrk.headers["Authorization"] = tokens[at]
            return wrk.format()
        end
    """


def check(subjects: dict[str, Subject]) -> None:
    """That all let the call pass, and those who look at tokens no other."""
    first = token()
    head, payload, signature = first.split(".")
    forged = ".".join((head, payload, signature[:-8] + ("A" * 8 if signature[-8:] != "A" * 8 else "B" * 8)))
    for name, each in subjects.items():
        headers = each.headers or bearer(first)
        until(lambda each=each, headers=headers: httpx.get(each.url, headers=headers, trust_env=False).text == BODY, seconds=30)
        refused = httpx.get(each.url, headers=bearer(forged), trust_env=False).status_code
        assert (refused == 200) == (name == BARE or name.startswith("nginx")), f"{name}: {refused}"


# Servers


@contextmanager
def server(name: str, command: Sequence[str], port: int, cores: set[int]) -> Iterator[psutil.Process]:
    log = FOLDER / f"{name}.log"
    with log.open("w") as out:
        process = psutil.Popen(command, stdout=out, stderr=out, env={**os.environ, "PATH": PATHS})
    try:
        until(lambda: probes.accepts((HOST, port)), seconds=20)
        for each in (process, *process.children()):
            move(each.pid, cores)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def move(pid: int, cores: set[int]) -> None:
    """All threads that it has; those that they start follow them."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def bare_envoy(at: int, to: int) -> list[str]:
    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": HOST, "port_value": port}}

    kind = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}]
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}],
    }
    listener = {"name": "bare", "address": address(at), "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(to)}}]}]
    cluster = {"name": "upstream", "type": "STATIC", "load_assignment": {"cluster_name": "upstream", "endpoints": endpoints}}
    file = FOLDER / "bare.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
    return [str(envoy.executable("")), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]


def _nginx(name: str, *inside: str) -> list[str]:
    folder = FOLDER / name
    folder.mkdir()
    places = "".join(f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; {places} keepalive_requests 1000000000;\n{chr(10).join(inside)}\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(file), "-e", "stderr"]


def nginx_upstream(port: int, authoriser: int) -> list[str]:
    """The upstream, and at another port the authoriser."""
    answer = f"default_type application/json; return 200 '{BODY}';"
    return _nginx(
        "upstream",
        f"server {{ listen {HOST}:{port}; location / {{ {answer} }} }}",
        f"server {{ listen {HOST}:{authoriser}; location / {{ return 204; }} }}",
    )


def nginx(at: int, to: int, authoriser: int | None, *, kept: bool = True) -> list[str]:
    """
    :param authoriser: its port; None for a location that answers by itself. :param kept: whether connections are.

    https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
    """

    def pool(name: str, port: int) -> str:
        return f"upstream {name} {{ server {HOST}:{port}; {'keepalive 64; keepalive_requests 1000000000;' if kept else ''} }}"

    keep = "proxy_http_version 1.1; proxy_set_header Connection '';" if kept else ""
    # A location that sets headers has only these.
    asks = f"proxy_pass http://authoriser; proxy_pass_request_body off; proxy_set_header Content-Length ''; {keep}"
    authorises = "return 204;" if authoriser is None else asks
    return _nginx(
        f"proxy-{at}",
        pool("upstream", to),
        pool("authoriser", authoriser or to),
        f"server {{ listen {HOST}:{at};",
        f"location / {{ auth_request /authorise; proxy_pass http://upstream; {keep} }}",
        f"location = /authorise {{ internal; {authorises} }} }}",
    )


def haproxy(at: int, to: int, algorithm: str) -> list[str]:
    """As its manual shows it: https://www.haproxy.com/documentation/haproxy-configuration-tutorials/authentication/oauth-authorization/"""
    file = FOLDER / "haproxy.cfg"
    file.write_text(f"""
global
    nbthread 1
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 1s
    timeout http-keep-alive 60s
    http-reuse always
frontend gateway
    bind {HOST}:{at}
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{FOLDER / "public.pem"}") 1 }}
    default_backend upstream
backend upstream
    server upstream {HOST}:{to}
""")
    return ["haproxy", "-db", "-f", str(file)]


def told(rounds: list[dict[str, tuple[float, float]]]) -> int:
    """Report; 1 if a goal was missed."""
    figures: dict[str, Any] = {"rounds": ROUNDS, "seconds each": SECONDS, "connections": CONNECTIONS}
    figures["proxies, the rest on cores"] = f"{sorted(PROXIES)}, {sorted(OTHERS)}"
    for name in rounds[0]:
        rates, costs = zip(*(each[name] for each in rounds), strict=True)
        figures[f"{name}: calls per second, median"] = statistics.median(rates)
        figures[f"{name}: calls per second, least and most"] = f"{min(rates):,.0f} {max(rates):,.0f}"
        figures[f"{name}: µs of a core per call, median"] = statistics.median(costs)
    holds = True
    for name in (*GOALS, SHOWN, NO_HOP):
        ratios = [each[PORTICO][0] / each[name][0] for each in rounds]
        figures[f"Portico to {name}: median"] = statistics.median(ratios)
        figures[f"Portico to {name}: rounds"] = " ".join(f"{ratio:.2f}" for ratio in ratios)
        # How many calls of Portico a core would serve for one of theirs.
        figures[f"Portico to {name}, by CPU: median"] = statistics.median(each[name][1] / each[PORTICO][1] for each in rounds)
        holds = holds and (name not in GOALS or statistics.median(ratios) >= GOALS[name])
    for name, other in ((KEY, BARE), (NEW, HAPROXY)):
        figures[f"{name}, to {other}: median"] = statistics.median(each[name][0] / each[other][0] for each in rounds)
    report("peers", figures | {"goals": ", ".join(f"{goal} of {name}" for name, goal in GOALS.items())})
    return not holds


if __name__ == "__main__":
    raise SystemExit(main())
