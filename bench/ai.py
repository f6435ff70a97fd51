"""What a gateway costs a call for an AI model, Portico's beside LiteLLM's proxy: `make bench-ai`. Needs Linux and `wrk`.

Goals, medians of paired rounds: less than 2 ms more for a chat completion (p50), at least 50 times LiteLLM's calls per second, less than
5 ms more until the first byte of a stream (p50).

One provider for all: the demo's mock. One worker each, alone on one core; wrk, the provider and the rest of the stack share the others. In
each round all are called in turn, in an order that turns as well; what is told of two is told of one round.

- Portico is the stack's own gateway, configured by its control plane as by default: a tenant with 5,000 subscriptions, access log on,
  tokens counted. Callers bring an API key.
- LiteLLM's proxy has one worker and a model at the same provider. Its virtual keys and its usage need a database by Prisma, whose engine
  is fetched from outside, so it has neither: callers bring its master key, which is compared with one text, and a callback counts tokens in
  memory. Both are in its favour.
"""

import argparse
import http.client
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.peers import CORES, OTHERS, PROXIES, free, move, spent
from bench.stage import ROOT, STACK, VAR, percentile, report, stack, until, wrk
from portal.demo.provider import KEY, MODELS
from portal.stack import envoy, probes
from portal.stack.ports import HOST
from portal.stack.stack import Stack

NAME, LITELLM_VERSION = "ai", "1.108.7"
ROUNDS, SECONDS, CONNECTIONS = 7, 3, 32
# Of one connection, one after the other, in each round.
CALLS, STREAMS = 200, 60
# Seconds between two pieces of a stream; whole answers know none.
PAUSE = 0.005
DIRECT, PORTICO, LITELLM = "no gateway", "Portico", "LiteLLM"
GOALS = {"more": 2.0, "times": 50.0, "first": 5.0}
FOLDER = VAR / NAME
# What LiteLLM does with the usage of each call, in place of writing it into its database.
COUNTING = """
import importlib
from collections import Counter

logger = importlib.import_module("litellm.integrations.custom_logger")


class Counting(logger.CustomLogger):
    tokens = Counter()

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        usage = getattr(response_obj, "usage", None)
        if usage is not None:
            self.tokens[kwargs.get("model")] += usage.total_tokens


counting = Counting()
"""
# About as long as people write.
TEXT = "Tell me, in a few words, what a gateway is good for, and what it should never do. " * 6


@dataclass(frozen=True, slots=True)
class Subject:
    """What is called: where, for which model, with whose key; by whose process, None where that is the provider's."""

    port: int
    path: str
    model: str
    key: str = field(repr=False)
    process: psutil.Process | None = None

    def body(self, *, stream: bool = False) -> str:
        told: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": TEXT}], "max_tokens": 20}
        return json.dumps({**told, "stream": True} if stream else told)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def rate(self) -> tuple[float, float]:
        """Calls per second, and microseconds of a core per call."""
        script = f"wrk.method, wrk.body = 'POST', [==[{self.body()}]==]"
        before = spent(self.process) if self.process else 0.0
        url = f"http://{HOST}:{self.port}{self.path}"
        found = wrk(url, seconds=SECONDS, connections=CONNECTIONS, headers=self.headers, script=script, patience=20)
        return found, ((spent(self.process) if self.process else before) - before) / (found * SECONDS) * 1e6

    def times(self, many: int, *, stream: bool = False) -> list[float]:
        """Milliseconds to the whole answer, or to the first byte of a stream, over one connection."""
        body, headers, found = self.body(stream=stream), self.headers, []
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        try:
            # The first opens the connection, here and behind the gateway.
            for _ in range(many + 1):
                started = time.perf_counter()
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                begun = answer.read1(1) if stream else answer.read()
                found.append((time.perf_counter() - started) * 1000)
                rest = answer.read()
                assert answer.status == 200, (answer.status, begun + rest)
                assert not stream or (begun + rest).endswith(b"data: [DONE]\n\n"), (begun + rest)[-200:]
        finally:
            connection.close()
        return found[1:]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.ai")
    parser.add_argument("--litellm", type=Path, help="its program, where it is installed already")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("This measurement needs wrk: apt-get install wrk")
    program = options.litellm or installed()
    # What is started from here on stays beside the proxies.
    os.sched_setaffinity(0, OTHERS)
    envoy.CONCURRENCY = 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as started:
        port = free()
        started.enter_context(
            process("provider", [sys.executable, "-m", "portal.demo.provider", f"--port={port}", f"--pause={PAUSE}"], port)
        )
        running = started.enter_context(stack(PORTICO_ADDRESS_CALLS_PER_SECOND="1000000"))
        subjects = {
            DIRECT: Subject(port, "/v1/chat/completions", MODELS[0], f"{KEY}-1"),
            PORTICO: of_portico(running, port),
            LITELLM: started.enter_context(of_litellm(program, port)),
        }
        check(subjects)
        for each in subjects.values():
            each.rate()
            each.times(20)
        rounds = [one_round(subjects, number) for number in range(ROUNDS)]
        memory = {name: memory_of(each.process) for name, each in subjects.items() if each.process}
    return told(rounds, memory)


def one_round(subjects: dict[str, Subject], number: int) -> dict[str, dict[str, float]]:
    turned = [*subjects][number % len(subjects) :] + [*subjects][: number % len(subjects)]
    found: dict[str, dict[str, float]] = {name: {} for name in turned}
    for name in turned:
        found[name]["rate"], found[name]["cost"] = subjects[name].rate()
    for name in turned:
        whole = subjects[name].times(CALLS)
        found[name]["p50"], found[name]["p95"] = percentile(whole, 0.5), percentile(whole, 0.95)
    for name in turned:
        found[name]["first"] = percentile(subjects[name].times(STREAMS, stream=True), 0.5)
    return found


def of_portico(running: Stack, provider: int) -> Subject:
    command = [sys.executable, "-m", "bench.ai_callers", f"http://{HOST}:{provider}/v1"]
    environment = {**os.environ, "PORTICO_VAR": str(STACK)}
    made = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)
    gateway = psutil.Process(running.pids()["envoy"])
    move(gateway.pid, PROXIES)
    return Subject(running.ports.gateway, f"{made['base']}/chat/completions", made["model"], made["key"], gateway)


@contextmanager
def of_litellm(program: Path, provider: int) -> Iterator[Subject]:
    port, key = free(), f"sk-{secrets.token_hex(16)}"
    at = {"model": f"openai/{MODELS[0]}", "api_base": f"http://{HOST}:{provider}/v1", "api_key": f"{KEY}-1"}
    told = {
        "model_list": [{"model_name": MODELS[0], "litellm_params": at}],
        # So that tokens of streams are counted by both.
        "general_settings": {"master_key": key, "always_include_stream_usage": True},
        "litellm_settings": {"callbacks": ["counting.counting"], "telemetry": False},
    }
    config = FOLDER / "litellm.yaml"
    # JSON is YAML.
    config.write_text(json.dumps(told))
    (FOLDER / "counting.py").write_text(COUNTING)
    command = [str(program), "--config", str(config), "--host", HOST, "--port", str(port), "--num_workers", "1"]
    # Without them it asks others for prices, and writes a line per call.
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR", "HOME": str(FOLDER)}
    with process("litellm", command, port, quiet) as found:
        for each in (found, *found.children(recursive=True)):
            move(each.pid, PROXIES)
        yield Subject(port, "/v1/chat/completions", MODELS[0], key, found)


@contextmanager
def process(name: str, command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[psutil.Popen]:
    log = FOLDER / f"{name}.log"
    with log.open("w") as out:
        started = psutil.Popen(command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **(environment or {})})
    try:
        until(lambda: probes.accepts((HOST, port)), seconds=120)
        yield started
    finally:
        started.terminate()
        started.wait(20)


def installed() -> Path:
    """LiteLLM in an environment of its own: it wants other releases of what we have, and takes 900 MB."""
    folder = VAR / "litellm"
    program = folder / "bin" / "litellm"
    if not program.exists():
        print(f"Installing LiteLLM {LITELLM_VERSION} into {folder} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"litellm[proxy]=={LITELLM_VERSION}"], check=True)
    return program


def check(subjects: dict[str, Subject]) -> None:
    """That each answers with the provider's words, and nobody else is let through."""
    for name, each in subjects.items():
        until(lambda each=each: _status(each, each.key) == 200, seconds=60)
        assert _status(each, f"{each.key[:-4]}AAAA") in {400, 401, 403} or name == DIRECT, name


def _status(subject: Subject, key: str) -> int:
    connection = http.client.HTTPConnection(HOST, subject.port, timeout=20)
    try:
        connection.request("POST", subject.path, subject.body(), {**subject.headers, "Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        assert answer.status != 200 or b"You wrote: Tell me" in answer.read()
        return answer.status
    finally:
        connection.close()


def memory_of(process: psutil.Process) -> float:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1e6


def told(rounds: list[dict[str, dict[str, float]]], memory: dict[str, float]) -> int:
    """Report; 1 if a goal was missed."""
    figures: dict[str, Any] = {"rounds": ROUNDS, "seconds each": SECONDS, "connections": CONNECTIONS, "calls": CALLS, "streams": STREAMS}
    figures["proxies, the rest on cores"] = f"{sorted(PROXIES)}, {sorted(OTHERS)}" if len(CORES) > 1 else "one core for all"
    figures["LiteLLM"] = LITELLM_VERSION
    names = {
        "rate": "calls per second",
        "cost": "µs of a core per call",
        "p50": "whole, p50 ms",
        "p95": "whole, p95 ms",
        "first": "first byte of a stream, p50 ms",
    }
    for name in (DIRECT, PORTICO, LITELLM):
        for kind, said in names.items():
            if name != DIRECT or kind != "cost":
                values = [each[name][kind] for each in rounds]
                figures[f"{name}: {said}"] = statistics.median(values)
                figures[f"{name}: {said}, rounds"] = " ".join(f"{value:,.2f}" for value in values)
    for name in (PORTICO, LITELLM):
        figures[f"{name}: more for a whole answer, p50 ms"] = statistics.median(each[name]["p50"] - each[DIRECT]["p50"] for each in rounds)
        more = statistics.median(each[name]["first"] - each[DIRECT]["first"] for each in rounds)
        figures[f"{name}: more until the first byte, p50 ms"] = more
        figures[f"{name}: memory, MB"] = memory[name]
    times = [each[PORTICO]["rate"] / each[LITELLM]["rate"] for each in rounds]
    figures["Portico to LiteLLM: median"] = statistics.median(times)
    figures["Portico to LiteLLM: rounds"] = " ".join(f"{each:.1f}" for each in times)
    figures["Portico to LiteLLM, by CPU: median"] = statistics.median(each[LITELLM]["cost"] / each[PORTICO]["cost"] for each in rounds)
    report(NAME, figures)
    return not (
        figures["Portico: more for a whole answer, p50 ms"] < GOALS["more"]
        and figures["Portico to LiteLLM: median"] >= GOALS["times"]
        and figures["Portico: more until the first byte, p50 ms"] < GOALS["first"]
    )


if __name__ == "__main__":
    raise SystemExit(main())
