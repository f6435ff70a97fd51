"""Eve uploads documents made to use up memory or time. Each is stopped, with a sentence."""

import dataclasses
import json
import resource
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from apis import mock, openapi, reference
from apis.differences import Level, differences
from apis.openapi import DocumentError, Limits, read

ROOT = Path(__file__).resolve().parents[2]
FULL = 2 * 1024 * 1024 - 400
HEAD = "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {/a: {get: {responses: {default: {description: d}}}}}\n"
LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))

# Half a million small mappings: some 500 bytes each once read.
MEMORY = HEAD + "x-a: [" + "{a}," * (FULL // 4) + "]"
# Each of the parameters is a level that jsonschema visits several times, once the last of them is found to be wrong.
TIME = HEAD + "webhooks: {a: {get: {parameters: [" + "{name: a, in: query, schema: {}}," * 60_000 + "{name: a}]}}}"

MEASURE = f"""\
import json, resource, sys
sys.path.append({str(ROOT)!r})
from apis import openapi
from apis.openapi import DocumentError, read
limits = openapi.Limits(*map(int, sys.argv[1:]))
try:
    told = str(len(read(sys.stdin.buffer.read(), limits=limits).operations))
except DocumentError as error:
    told = str(error)
spent = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([told, spent.ru_utime + spent.ru_stime, spent.ru_maxrss * unit / 1e6]))
"""


def measured(text: str, limits: Limits = openapi.AT_ONCE) -> tuple[str, float, float]:
    """What read() says, in how many seconds of CPU, with how many MB of memory in its process."""
    command = [sys.executable, "-I", "-c", MEASURE, *(str(each) for each in dataclasses.astuple(limits))]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    told, seconds, megabytes = json.loads(done.stdout)
    return told, seconds, megabytes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("[" * FULL, "nested more than 64 levels deep", id="deep JSON"),
        pytest.param('{"a":' * (FULL // 5), "nested more than 64 levels deep", id="deep JSON objects"),
        pytest.param("a: " + "[" * FULL, "nested more than 64 levels deep", id="deep YAML flow"),
        pytest.param("- " * (FULL // 2), "nested more than 64 levels deep", id="deep YAML lists"),
        pytest.param("".join(" " * i + "a:\n" for i in range(1_900)), "nested more than 64 levels deep", id="deep YAML"),
        pytest.param("? " * (FULL // 2), "A key must be text", id="keys of keys"),
        pytest.param(LAUGHS, "YAML aliases", id="billion laughs"),
        pytest.param("a: &a\n  b: *a\n", "YAML aliases", id="a mapping that holds itself"),
        pytest.param("a: !!python/object/apply:os.system [id]", "YAML tag", id="code"),
        pytest.param("a" * (FULL * 2), "larger than 2 MB", id="too large"),
        pytest.param("a: " + "9" * FULL, "more than 400 digits", id="a long number"),
        pytest.param('{"a": ' + "9" * FULL + "}", "more than 400 digits", id="a long number in JSON"),
        pytest.param('{"a": ' + "-" * FULL, "isn't valid JSON", id="minus signs"),
        pytest.param('"' + "\\" * FULL, "isn't valid YAML", id="backslashes"),
        pytest.param('{"' + "\\" * FULL, "isn't valid JSON", id="backslashes in JSON"),
    ],
)
def test_it_is_refused_long_before_the_limits(text: str, sentence: str) -> None:
    told, seconds, megabytes = measured(text)
    assert sentence in told
    assert seconds < 3
    assert megabytes < 200


def test_memory_runs_out_at_256_mb() -> None:
    # On a slow machine its five seconds would be over before.
    told, _, megabytes = measured(MEMORY, dataclasses.replace(openapi.AT_ONCE, seconds=60, wall_seconds=120))
    assert "takes more than 256 MB of memory" in told
    assert megabytes < 256 * 1.048576


def test_time_runs_out_after_5_seconds() -> None:
    told, seconds, _ = measured(TIME)
    assert "takes more than 5 seconds" in told
    assert seconds < 6.5


@pytest.mark.parametrize("openapi", ["3.0.3", "3.1.0"])
def test_expressions_of_a_document_are_never_run(openapi: str) -> None:
    slow = "{type: string, pattern: '^(([a-z])+.)+[A-Z]([a-z])+$', default: '" + "a" * 60 + "', example: '" + "a" * 60 + "'}"
    text = HEAD.replace("3.1.0", openapi) + f"components: {{schemas: {{A: {slow}}}}}\n"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert len(read(text).operations) == 1
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 3


def test_no_reference_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "string"}')
    for address in (f"file://{tmp_path}/a.json", f"{tmp_path}/a.json", "http://169.254.169.254/latest/meta-data"):
        with pytest.raises(DocumentError, match="Only references inside the document"):
            read(HEAD + f"components: {{schemas: {{A: {{$ref: '{address}'}}}}}}\n")


DYNAMIC = """openapi: 3.1.0
info: {title: Trees, version: "1"}
paths:
  /trees:
    get:
      operationId: trees
      responses:
        "200": {description: Fine, content: {application/json: {schema: {$ref: '#/components/schemas/StrictTree'}}}}
    post:
      operationId: plant
      requestBody: {content: {application/json: {schema: {$dynamicRef: '#node'}}}}
      responses: {"201": {description: Fine}}
components:
  schemas:
    Tree:
      $dynamicAnchor: node
      type: object
      properties:
        data: {type: string}
        children: {type: array, items: {$dynamicRef: '#node'}}
    StrictTree:
      $dynamicAnchor: node
      $ref: '#/components/schemas/Tree'
      unevaluatedProperties: false
    Endless: {$dynamicAnchor: end, $dynamicRef: '#end'}
"""


def test_dynamic_references_are_any_value_wherever_a_document_is_told() -> None:
    """They mean another schema in each place (JSON Schema 2020-12, section 8.2.3.2), so nothing is said of what they hold."""
    found = read(DYNAMIC)
    assert [each.operation_id for each in found.operations] == ["trees", "plant"]
    (group,) = reference.reference(found.content, found.operations)
    trees, plant = group.operations
    assert {each.name: each.type for each in trees.responses[0].fields} == {"children": "array of any value", "data": "string"}
    assert plant.body is not None
    assert plant.body.type == "any value"
    assert len(mock.answers(found.content)) == 2
    changed = read(DYNAMIC.replace("data: {type: string}", "data: {type: integer}"))
    assert differences(found.content, changed.content, today=date(2026, 1, 1)).of(Level.BREAKING)
