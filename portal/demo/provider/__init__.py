"""A provider of AI models that knows no model: it answers in OpenAI's and Anthropic's formats, and fails as it is asked to.

For the demo and the tests, on this machine alone. What it says is made of what it was told, so that it can be looked at; a word is a token.
"""

from portal.demo.provider.server import KEY, MODELS, Provider, Seen

__all__ = ["KEY", "MODELS", "Provider", "Seen"]
