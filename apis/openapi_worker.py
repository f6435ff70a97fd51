"""The process in which a document that somebody uploaded is read: `python -I openapi_worker.py SECONDS GATEWAY < document > answer`.

It is limited before the first byte is read, and a file or socket can't be opened any more. The answer is one JSON
object, with "document" or with "problems"; when memory runs out it says so with EXIT_MEMORY. Run by `openapi.read`.
"""

import dataclasses
import json
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

# -I keeps the caller's directory and PYTHONPATH out, and the project isn't installed. It comes last, so that nothing in
# it can replace a library.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from apis import lint
from apis.openapi import EXIT_MEMORY, MEMORY_BYTES
from apis.openapi_source import MAX_BYTES, DocumentError, decode

# jsonschema takes some 15 frames per level of a document.
RECURSION_LIMIT = 5_000


def limit(seconds: int) -> None:
    """Give up what a reader of text doesn't need, and more CPU than that."""
    sys.setrecursionlimit(RECURSION_LIMIT)
    _set(resource.RLIMIT_CORE, 0, 0)
    _set(resource.RLIMIT_FSIZE, 0, 0)
    # Standard input, output and error are the three.
    _set(resource.RLIMIT_NOFILE, 3, 3)
    # The lower one ends the process with SIGXCPU, which says why; the higher one with SIGKILL.
    _set(resource.RLIMIT_CPU, seconds, seconds + 1)
    try:
        _set(resource.RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES)
    except (ValueError, OSError):
        # macOS has no such limit. There the size of the document and the five seconds bound the memory.
        if sys.platform != "darwin":
            raise


def _set(kind: int, soft: int, hard: int) -> None:
    """Set both limits; only root may raise one that the operator has set lower."""
    _, now = resource.getrlimit(kind)
    if now != resource.RLIM_INFINITY:
        soft, hard = min(soft, now), min(hard, now)
    resource.setrlimit(kind, (soft, hard))


def report_frames(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    """An unexpected error for the log: kind and lines, without the message, which may quote the document."""
    sys.stderr.write("".join(traceback.format_tb(trace)) + kind.__name__)


def answer(raw: bytes, *, gateway: str = "") -> str:
    """The answer to a document, as JSON."""
    try:
        document = lint.parse(decode(raw), gateway=gateway)
        # Not asdict(document): it would copy the content.
        fields = {field.name: getattr(document, field.name) for field in dataclasses.fields(document)}
        fields["operations"] = [dataclasses.asdict(operation) for operation in document.operations]
        fields["lint"] = document.lint and document.lint.as_json()
        return json.dumps({"document": fields}, ensure_ascii=False)
    except DocumentError as error:
        return json.dumps({"problems": [dataclasses.asdict(problem) for problem in error.problems]}, ensure_ascii=False)


def main(seconds: int, gateway: str, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> int:
    """Answer once; the exit status."""
    limit(seconds)
    try:
        write(answer(read(MAX_BYTES + 1), gateway=gateway).encode("utf-8"))
    except MemoryError:
        return EXIT_MEMORY
    return 0


if __name__ == "__main__":
    sys.excepthook = report_frames
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.stdin.buffer.read, sys.stdout.buffer.write))
