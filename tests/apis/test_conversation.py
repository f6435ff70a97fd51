"""What a gateway noted of a call, as people read it: every format, and whatever is broken, cut, deep or hostile."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apis.ai import conversation
from apis.ai.conversation import MOST_MESSAGES, Kind, answered, asked, pretty, readable, unescaped

SMILE = "\U0001f600"


def said(found: conversation.Conversation | None) -> list[tuple[str, list[tuple[str, str, str]]]]:
    assert found is not None
    return [(each.role, [(str(piece.kind), piece.name, piece.text) for piece in each.pieces]) for each in found.messages]


CHAT: dict[str, Any] = {
    "model": "fast",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": f"Where is it? {SMILE}"}, {"type": "image_url", "image_url": {"url": "data:"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "find", "arguments": '{"id": 1}'}}]},
        {"role": "tool", "name": "find", "content": "In Ulm."},
    ],
}
TOLD = [
    ("system", [("text", "", "Be brief.")]),
    ("user", [("text", "", f"Where is it? {SMILE}"), ("other", "image_url", "")]),
    ("assistant", [("call", "find", '{"id": 1}')]),
    ("tool", [("result", "find", "In Ulm.")]),
]


def test_a_chat() -> None:
    assert said(asked(json.dumps(CHAT))) == TOLD
    answer = {
        "choices": [
            {"message": {"role": "assistant", "reasoning_content": "Ulm?", "content": "In Ulm."}},
            {"message": {"role": "assistant", "content": None, "refusal": "No."}},
            {"message": {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": "{}"}}]}},
            {"text": "of another endpoint"},
        ]
    }
    assert said(answered(json.dumps(answer), streamed=False)) == [
        ("assistant", [("thought", "", "Ulm?"), ("text", "", "In Ulm.")]),
        ("assistant", [("text", "", "No.")]),
        ("assistant", [("call", "find", "{}")]),
    ]


def test_messages_of_anthropic() -> None:
    body = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Where?"},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "tool_use", "name": "find", "input": {"id": 1}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "Ulm"}]}, {"type": "document"}]},
        ],
    }
    assert said(asked(json.dumps(body))) == [
        ("system", [("text", "", "Be brief.")]),
        ("user", [("text", "", "Where?")]),
        ("assistant", [("thought", "", "Hm."), ("call", "find", '{"id": 1}')]),
        ("user", [("result", "", "Ulm"), ("other", "document", "")]),
    ]
    answer = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "In Ulm."}]}
    assert said(answered(json.dumps(answer), streamed=False)) == [("assistant", [("text", "", "In Ulm.")])]


def test_responses() -> None:
    body = {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
            {"type": "function_call", "name": "find", "arguments": "{}"},
            {"type": "function_call_output", "output": "Ulm"},
            {"type": "web_search_call"},
        ],
    }
    assert said(asked(json.dumps(body))) == [
        ("system", [("text", "", "Be brief.")]),
        ("user", [("text", "", "Where?")]),
        ("assistant", [("call", "find", "{}")]),
        ("tool", [("result", "", "Ulm")]),
        ("user", [("other", "web_search_call", "")]),
    ]
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Ulm?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "In Ulm."}]},
    ]
    assert said(answered(json.dumps({"output": output}), streamed=False)) == [
        ("assistant", [("thought", "", "Ulm?")]),
        ("assistant", [("text", "", "In Ulm.")]),
    ]
    assert said(asked('{"input": "Where?"}')) == [("user", [("text", "", "Where?")])]


def test_texts_to_embed_and_what_a_prompt_answers() -> None:
    assert said(asked('{"input": ["one", "two"]}')) == [("user", [("text", "", "one")]), ("user", [("text", "", "two")])]
    assert said(answered('{"text": "Short."}', streamed=False)) == [("assistant", [("text", "", "Short.")])]


def test_a_stream_is_the_text_that_it_brought() -> None:
    # A JSON string's inside, put together from many; it may break off in the middle of an escape.
    for text, read in (
        (r"In \u00dclm\n\ud83d\ude00 \"so\"", f'In Ülm\n{SMILE} "so"'),
        (r"broken off \u00", "broken off "),
        ("broken off \\", "broken off "),
        (r"half \ud83d", "half �"),
        (r"no such \x escape", r"no such \x escape"),
    ):
        assert said(answered(text, streamed=True)) == [("assistant", [("text", "", read)])], text
    assert answered("", streamed=True) is None


NOTHING = (
    "", "no JSON", "[]", "1", "null", '"text"', "{}", '{"messages": 1}', '{"messages": [1, null, "x", []]}', '{"input": 7}',
    '{"input": [1]}', '{"messages": [{"role": "user"}]}', '{"messages": [{"role": 7, "content": {"a": 1}}]}', "[" * 70_000,
    '{"a":' * 20_000, '{"input": ' + "9" * 9_000 + "}",
)  # fmt: skip


@pytest.mark.parametrize("body", NOTHING, ids=lambda body: body[:40])
def test_what_is_no_conversation_is_none(body: str) -> None:
    assert asked(body) is None
    assert answered(body, streamed=False) is None
    assert isinstance(pretty(body), str)


def test_wherever_it_was_cut_what_came_before_is_read() -> None:
    whole = json.dumps(CHAT)
    ends = [whole.index(text) + len(text) for text in map(json.dumps, CHAT["messages"])]
    for cut in range(len(whole)):
        found = asked(whole[:cut])
        told = said(found) if found else []
        # Whole messages as they are, and of the last one as much as there is.
        for (role, pieces), (wanted, whole_pieces) in zip(told, TOLD, strict=False):
            assert wanted.startswith(role), cut
            assert all(of[2].startswith(piece[2].rstrip("�")) for piece, of in zip(pieces, whole_pieces, strict=False)), cut
        there = sum(end <= cut for end in ends)
        assert told[:there] == TOLD[:there], cut


@pytest.mark.parametrize("end", ["", "\\", "\\u", "\\u00", "\\u00d"])
def test_of_a_text_that_was_cut_its_beginning_is_read(end: str) -> None:
    body = '{"messages": [{"role": "user", "content": [{"type": "text", "text": "Where is it' + end
    assert said(asked(body)) == [("user", [("text", "", "Where is it")])]
    # An escaped backslash is none that was cut.
    assert said(asked(f"{body.removesuffix(end)}\\\\")) == [("user", [("text", "", "Where is it\\")])]


def test_names_and_numbers_are_bounded() -> None:
    found = asked(json.dumps({"messages": [{"role": "r" * 500, "content": str(number)} for number in range(MOST_MESSAGES + 7)]}))
    assert found is not None
    assert (len(found.messages), found.left_out, len(found.messages[0].role)) == (MOST_MESSAGES, 7, conversation.MOST_NAME)


def test_nothing_is_left_that_a_page_can_not_show() -> None:
    assert readable("a\x00b\x07c\x85d\ud800e\nf\tg\r\nh") == "a�b�c�d�e\nf\tg\nh"
    assert said(asked(r'{"messages": [{"role": "\ud800", "content": "\u0000"}]}')) == [("�", [("text", "", "�")])]
    assert pretty(r'{"a": "\ud800"}') == '{\n  "a": "�"\n}'


INSIDE = ["role", "content", "type", "text", "input", "name"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "input", "name"]), inside)
    ),
    max_leaves=12,
)
MEMBERS = ["messages", "system", "instructions", "input", "output", "choices", "content", "text"]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(MEMBERS), anything), st.integers(0, 400))
def test_whatever_stands_in_it_is_read_or_not_and_never_an_error(body: dict[str, Any], cut: int) -> None:
    whole = json.dumps(body)
    for text in (whole, whole[:cut], unescaped(whole)):
        for found in (asked(text), answered(text, streamed=False), answered(text, streamed=True)):
            for message in found.messages if found else ():
                for piece in message.pieces:
                    assert piece.kind in Kind
                    (piece.text + piece.name + message.role).encode()
        pretty(text).encode()
