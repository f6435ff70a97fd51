"""What differs in what an AI API offers, beside what its document tells of operations: models, what prompts ask, and rails."""

from collections.abc import Callable, Iterator

from apis.ai.offer import Offer, Prompt, Rails
from apis.differences.levels import Word
from apis.differences.levels import mark as _
from apis.differences.saying import Change, Saying, Translate

_MASKS = {"email": _("E-mail addresses"), "phone": _("Phone numbers"), "card": _("Numbers of payment cards")}


def offer_changes(was: Offer | None, now: Offer | None, *, gettext: Translate = str) -> Iterator[Change]:
    """:param was: None of what is no AI API."""
    if was is None or now is None or was == now:
        return
    by = Saying(gettext).by
    for name in now.models:
        if name not in was.models:
            yield by("ai-model-added", name=name)
    for name in was.models:
        if name not in now.models:
            yield by("ai-model-removed", name=name)
    before = {each.name: each for each in was.prompts}
    for prompt in now.prompts:
        # Those that are new or gone are operations that are.
        if prompt.name in before:
            yield from _of_prompt(before[prompt.name], prompt, by)
    yield from _of_rails(was.rails, now.rails, by)


def _of_prompt(was: Prompt, now: Prompt, by: Callable[..., Change]) -> Iterator[Change]:
    if was.model != now.model:
        yield by("ai-prompt-model-changed", name=now.name, was=was.model, now=now.model)
    if was.messages != now.messages:
        yield by("ai-prompt-text-changed", name=now.name)
    if was.parameters != now.parameters:
        yield by("ai-prompt-settings-changed", name=now.name, was=_settings(was), now=_settings(now))


def _settings(prompt: Prompt) -> str | Word:
    return ", ".join(f"{name} {value}" for name, value in sorted(prompt.parameters.items())) or Word(_("none"))


def _of_rails(was: Rails, now: Rails, by: Callable[..., Change]) -> Iterator[Change]:
    for name in now.masks:
        if name not in was.masks:
            yield by("ai-mask-added", name=Word(_MASKS[name]))
    for name in was.masks:
        if name not in now.masks:
            yield by("ai-mask-removed", name=Word(_MASKS[name]))
    before, after = ({each.name: each.regex for each in rails.patterns} for rails in (was, now))
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield by("ai-pattern-added", name=f"[{name}]", now=after[name])
        elif name not in after:
            yield by("ai-pattern-removed", name=f"[{name}]", was=before[name])
        elif before[name] != after[name]:
            yield by("ai-pattern-changed", name=f"[{name}]", was=before[name], now=after[name])
    if added := [each for each in now.blocked if each not in was.blocked]:
        yield by("ai-blocked-added", names=added)
    if removed := [each for each in was.blocked if each not in now.blocked]:
        yield by("ai-blocked-removed", names=removed)
    if was.body_kib != now.body_kib:
        yield by(f"ai-body-{'decreased' if now.body_kib < was.body_kib else 'increased'}", was=was.body_kib, now=now.body_kib)
