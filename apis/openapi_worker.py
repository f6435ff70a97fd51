"""The process in which a document that somebody uploaded is read:

    python -I openapi_worker.py SECONDS MEGABYTES MOST_BYTES GATEWAY < document > answer 2> progress

It is limited before the first byte is read, and a file or socket can't be opened any more. The answer is one JSON
object, with "document" or with "problems"; when memory runs out it says so with EXIT_MEMORY. Progress
is told as `%35`, a line each, among whatever else is to be logged. Run by `openapi.read`.
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
from apis.openapi import EXIT_MEMORY, MEGABYTE, to_json
from apis.openapi_source import DocumentError, Tell, decode

# jsonschema takes some 15 frames per level of a document.
RECURSION_LIMIT = 5_000


def limit(seconds: int, megabytes: int) -> None:
    """Give up what a reader of text doesn't need, and more CPU than that."""
    sys.setrecursionlimit(RECURSION_LIMIT)
    _set(resource.RLIMIT_CORE, 0, 0)
    _set(resource.RLIMIT_FSIZE, 0, 0)
    # Standard input, output and error are the three.
    _set(resource.RLIMIT_NOFILE, 3, 3)
    # The lower one ends the process with SIGXCPU, which says why; the higher one with SIGKILL.
    _set(resource.RLIMIT_CPU, seconds, seconds + 1)
    try:
        _set(resource.RLIMIT_AS, megabytes * MEGABYTE, megabytes * MEGABYTE)
    except (ValueError, OSError):
        # macOS has no such limit. There the size of the document and the seconds bound the memory.
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


def progress(write: Callable[[str], object]) -> Tell:
    """Tells each hundredth once."""
    last = 0

    def tell(done: float) -> None:
        nonlocal last
        if (now := int(done * 100)) > last:
            last = now
            write(f"%{now}\n")

    return tell


def answer(raw: bytes, most_bytes: int, gateway: str, tell: Tell) -> str:
    """The answer to a document, as JSON."""
    try:
        document = lint.parse(decode(raw, most_bytes=most_bytes), gateway=gateway, most_bytes=most_bytes, tell=tell)
        return json.dumps({"document": to_json(document)}, ensure_ascii=False)
    except DocumentError as error:
        return json.dumps({"problems": [dataclasses.asdict(problem) for problem in error.problems]}, ensure_ascii=False)


def main(seconds: int, megabytes: int, most_bytes: int, gateway: str) -> int:
    """Answer once; the exit status."""
    limit(seconds, megabytes)
    try:
        told = answer(sys.stdin.buffer.read(most_bytes + 1), most_bytes, gateway, progress(sys.stderr.write))
        sys.stdout.buffer.write(told.encode("utf-8"))
    except MemoryError:
        return EXIT_MEMORY
    return 0


if __name__ == "__main__":
    sys.excepthook = report_frames
    # Each line as it comes, also into a pipe.
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
