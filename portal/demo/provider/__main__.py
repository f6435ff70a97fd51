"""`manage.py mock_provider` without Django, as the demo's stack runs it."""

import argparse

from portal.demo.provider.server import BEHAVIOURS, KEY, MODELS, Provider

PORT = 8091


def options(parser: argparse.ArgumentParser) -> None:
    """Those of the command."""
    parser.add_argument("--port", type=int, default=PORT, help="0 for a free one")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two pieces of a stream")
    parser.add_argument("--late", type=float, default=2.0, help="seconds before the first byte of what is slow")


def run(*, port: int, pause: float, late: float) -> None:
    """Listen until the process is told to end."""
    provider = Provider(port, pause, late)
    provider.serve(lambda: introduce(provider))


def introduce(provider: Provider) -> None:
    print(f"{provider.url}, with a key such as {KEY}-1, and the models {', '.join(MODELS)}.")
    print("It behaves as a part of the key or of the model's name says (sk-mock-429, mock-slow):")
    for name, what in BEHAVIOURS.items():
        print(f"  {name:10} {what}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="mock_provider", description="A provider of AI models for demos and tests.")
    options(parser)
    run(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
