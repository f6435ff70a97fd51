"""The small real model: `make test-long` installs it, and asks it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest

from portal.demo.small_model import KEY, NAME
from portal.stack import Ports
from portal.stack.ports import choose
from portal.stack.stack import PROJECT
from tests.turns import whole

COMMAND = [sys.executable, "-m", "portal.demo.small_model", "--port"]
INSTALLED = PROJECT / "var" / "model"
TOLD: Any = [{"role": "user", "content": "Say hello to Ada."}]


def test_whoever_lacks_it_is_told_how_it_is_had() -> None:
    done = subprocess.run([*COMMAND, "0"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "The model is not installed: make demo-model\n")


@contextmanager
def running() -> Iterator[str]:
    """Its base URL."""
    port = choose(Ports(0, 0, 0, 0), needed=set()).provider
    command, environment = [*COMMAND, str(port)], {"PYTHONPATH": str(INSTALLED)}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            said = next(line for line in process.stdout if line.startswith("http"))
            found = re.match(r"(http://127\.0\.0\.1:\d+/v1), with the key (\S+) and the model (\S+)$", said)
            assert found is not None
            assert (found[2], found[3]) == (KEY, NAME)
            yield found[1]
        finally:
            process.terminate()
            assert process.wait(10) == 0


if whole():

    def test_a_real_model_answers() -> None:
        with running() as url, openai.OpenAI(base_url=url, api_key=KEY) as client:
            answer = client.chat.completions.create(model=NAME, messages=TOLD, max_tokens=12)
            assert answer.choices[0].message.content
            assert answer.usage is not None
            assert 0 < answer.usage.completion_tokens <= 12
            options: Any = {"include_usage": True}
            chunks = list(client.chat.completions.create(model=NAME, messages=TOLD, max_tokens=12, stream=True, stream_options=options))
            assert len(chunks) > 4
            assert [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage] == [answer.usage.prompt_tokens]
            with openai.OpenAI(base_url=url, api_key="sk-other") as stranger, pytest.raises(openai.AuthenticationError):
                stranger.chat.completions.create(model=NAME, messages=TOLD)
