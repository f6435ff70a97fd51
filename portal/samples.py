"""A call as programs that work as they stand: a token by client credentials (RFC 6749 §4.4), then the call. The secret is `$SECRET`.

Addresses, headers and bodies come from documents that publishers wrote: each stands quoted by its language's own rules, in
characters that can be seen, so that nobody runs or reads anything else than what is meant.
"""

import json
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

from apis.examples import is_json

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
# RFC 7523 §2.2.
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# What stays as it is in a path or query (RFC 3986 pchar without sub-delims, which shells and forms read in their own ways).
UNESCAPED = "-._~:@"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
# Numbers beyond it are others in JavaScript (ECMA-262, Number.MAX_SAFE_INTEGER).
_MAX_SAFE = 2**53 - 1

# A key pair whose public half is printed, for who has none yet.
KEY_PAIR = """import json
from pathlib import Path

from joserfc.jwk import ECKey

key = ECKey.generate_key("P-256")
private = Path("private.pem")
private.touch(mode=0o600)
private.write_bytes(key.as_pem(private=True))
print(json.dumps(key.as_dict(private=False)))"""


@dataclass(frozen=True, slots=True)
class Body:
    """`value` is a JSON value where the type is JSON, a mapping for a form, else text."""

    content_type: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`url` is a whole address, escaped, see `address`; "" where only a token is asked for; `headers` without Authorization and type."""

    token_url: str
    client_id: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """`lang` names the button, `lexer` how it is coloured."""

    lang: str
    name: str
    lexer: str
    text: str


def samples(call: Call) -> list[Sample]:
    return [Sample(lang, name, lexer, write(call)) for lang, name, lexer, write in LANGUAGES]


def address(base: str, path: str, *, path_values: Mapping[str, Any], query: Iterable[tuple[str, Any]] = ()) -> str:
    """The address of a call: the template's parameters filled in, everything escaped.

    :param base: where the path begins, escaped already.
    """

    def filled(part: re.Match[str]) -> str:
        if part[1] is None:
            return quote(part[0], safe="%/!$&'()*+,;=" + UNESCAPED)
        return quote(_segment(path_values.get(part[1])), safe=UNESCAPED)

    whole = base + re.sub(r"\{([^{}]*)\}|[^{}]+", filled, path)
    pairs = [(name, told(value)) for name, value in query]
    return f"{whole}?{urlencode(pairs, quote_via=quote, safe=UNESCAPED)}" if pairs else whole


def told(value: Any) -> str:
    """A value as it stands in an address or a header."""
    return _whole(value) if isinstance(value, str) else "" if value is None else json.dumps(_tidy(value))


def _segment(value: Any) -> str:
    """What a path is cleared of (`..`), or no gateway takes (a slash), gives way to another."""
    text = told(value)
    return "1" if text in {"", ".", ".."} or re.search(r"[/\\\x00-\x1f\x7f]", text) else text


def curl(call: Call) -> str:
    return _curl(call, [f'-u {shlex.quote(call.client_id)}:"$SECRET"', "-d grant_type=client_credentials"])


def curl_by_assertion(call: Call) -> str:
    """With a JWT in place of the secret (RFC 7523 §2.2): `$ASSERTION`."""
    assertion = [f"-d client_assertion_type={JWT_BEARER}", '--data-urlencode "client_assertion=$ASSERTION"']
    return _curl(call, ["-d grant_type=client_credentials", f"-d client_id={shlex.quote(call.client_id)}", *assertion])


def curl_by_api_key(call: Call) -> str:
    """With an API key, which needs no token: `$KEY`."""
    return _curl_call(call, '-H "X-API-Key: $KEY"')


def _curl(call: Call, proof: list[str]) -> str:
    ask = [f"curl -sS {shlex.quote(call.token_url)}", *proof]
    if not call.url:
        return " \\\n  ".join(ask)
    token = " \\\n  ".join(ask) + r""" | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p'"""
    return f"TOKEN=$({token})" + "\n\n" + _curl_call(call, '-H "Authorization: Bearer $TOKEN"')


def _curl_call(call: Call, proof: str) -> str:
    header = [f"-H {shlex.quote(line)}" for line in _lines(call)]
    data = [f"--data-raw {shlex.quote(_text(call.body))}"] if call.body else []
    how = ["--head"] if call.method == "HEAD" else [f"-X {call.method}"] if call.method != "GET" or data else []
    return " \\\n  ".join([f"curl {shlex.quote(call.url)}", *how, proof, *header, *data])


def python_by_key_pair(call: Call, *, issuer: str, kid: str, alg: str) -> str:
    """With a proof that the application signs itself (RFC 7523 §3): iss and sub are its client id, the audience is our issuer."""
    lines = [
        "import time",
        "import uuid",
        "from pathlib import Path",
        "",
        "import httpx",
        "import jwt  # PyJWT",
        "",
        "now = int(time.time())",
        "claims = {",
        f'    "iss": {_quoted(call.client_id)},',
        f'    "sub": {_quoted(call.client_id)},',
        f'    "aud": {_quoted(issuer)},',
        '    "iat": now,',
        '    "exp": now + 30,',
        '    "jti": str(uuid.uuid4()),',
        "}",
        'private = Path("private.pem").read_text()',
        f'proof = jwt.encode(claims, private, algorithm={_quoted(alg)}, headers={{"kid": {_quoted(kid)}}})',
        "answer = httpx.post(",
        f"    {_quoted(call.token_url)},",
        "    data={",
        '        "grant_type": "client_credentials",',
        f'        "client_assertion_type": "{JWT_BEARER}",',
        '        "client_assertion": proof,',
        "    },",
        ")",
        'token = answer.raise_for_status().json()["access_token"]',
    ]
    return "\n".join([*lines, "", *_python_call(call)] if call.url else [*lines, "print(token)"])


def python(call: Call) -> str:
    return "\n".join(
        [
            "import os",
            "",
            "import httpx",
            "",
            "answer = httpx.post(",
            f"    {_quoted(call.token_url)},",
            f'    auth=({_quoted(call.client_id)}, os.environ["SECRET"]),',
            '    data={"grant_type": "client_credentials"},',
            ")",
            'token = answer.raise_for_status().json()["access_token"]',
            "",
            *_python_call(call),
        ]
    )


def _python_call(call: Call) -> list[str]:
    headers = ['"Authorization": f"Bearer {token}"', *(f"{_quoted(name)}: {_quoted(value)}" for name, value in _headers(call))]
    lines = [f"    {_quoted(call.method)},", f"    {_quoted(call.url)},", f"    headers={_braced(headers, ' ' * 4, inner='')},"]
    if call.body and call.body.content_type == JSON and _tidy(call.body.value) is not None:
        lines.append(f"    json={_python_value(_tidy(call.body.value), 1)},")
    elif call.body:
        lines.append(f"    content={_quoted(_text(call.body))},")
    return ["answer = httpx.request(", *lines, ")", "print(answer.status_code, answer.text)"]


def javascript(call: Call) -> str:
    headers = ["Authorization: `Bearer ${token}`", *(f"{_quoted_js(name)}: {_quoted_js(value)}" for name, value in _headers(call))]
    lines = [f"  method: {_quoted_js(call.method)},", f"  headers: {_braced(headers, ' ' * 2, inner=' ')},"]
    if call.body:
        lines.append(f"  body: {_javascript_body(call.body)},")
    return "\n".join(
        [
            f"const client = {_quoted_js(call.client_id)};",
            f"let answer = await fetch({_quoted_js(call.token_url)}, {{",
            '  method: "POST",',
            "  headers: { Authorization: `Basic ${btoa(`${client}:${process.env.SECRET}`)}` },",
            '  body: new URLSearchParams({ grant_type: "client_credentials" }),',
            "});",
            "const { access_token: token } = await answer.json();",
            "",
            f"answer = await fetch({_quoted_js(call.url)}, {{",
            *lines,
            "});",
            "console.log(answer.status, await answer.text());",
        ]
    )


def go(call: Call) -> str:
    body = f"strings.NewReader({_go_text(_text(call.body))})" if call.body else "nil"
    headers = [f"\tcall.Header.Set({_quoted(name)}, {_quoted(value)})" for name, value in _headers(call)]
    return "\n".join(
        [
            "package main",
            "",
            "import (",
            *(f'\t"{name}"' for name in ("encoding/json", "fmt", "io", "log", "net/http", "os", "strings")),
            ")",
            "",
            "func send(call *http.Request) []byte {",
            "\tanswer, err := http.DefaultClient.Do(call)",
            *_go_check,
            "\tdefer answer.Body.Close()",
            "\tbody, err := io.ReadAll(answer.Body)",
            *_go_check,
            "\tfmt.Fprintln(os.Stderr, answer.Status)",
            "\treturn body",
            "}",
            "",
            "func main() {",
            '\tform := strings.NewReader("grant_type=client_credentials")',
            f'\task, err := http.NewRequest("POST", {_quoted(call.token_url)}, form)',
            *_go_check,
            f'\task.SetBasicAuth({_quoted(call.client_id)}, os.Getenv("SECRET"))',
            f'\task.Header.Set("Content-Type", "{FORM}")',
            "\tvar token struct {",
            '\t\tText string `json:"access_token"`',
            "\t}",
            "\tif err := json.Unmarshal(send(ask), &token); err != nil {",
            "\t\tlog.Fatal(err)",
            "\t}",
            "",
            f"\tcall, err := http.NewRequest({_quoted(call.method)}, {_quoted(call.url)}, {body})",
            *_go_check,
            '\tcall.Header.Set("Authorization", "Bearer "+token.Text)',
            *headers,
            "\tfmt.Println(string(send(call)))",
            "}",
        ]
    )


_go_check = ("\tif err != nil {", "\t\tlog.Fatal(err)", "\t}")
LANGUAGES: tuple[tuple[str, str, str, Callable[[Call], str]], ...] = (
    ("curl", "curl", "bash", curl),
    ("python", "Python", "python", python),
    ("javascript", "JavaScript", "javascript", javascript),
    ("go", "Go", "go", go),
)


# What all languages share


def _headers(call: Call) -> list[tuple[str, str]]:
    """Names by RFC 9110 §5.6.2; values in ASCII without line ends, which clients would refuse or read as further headers."""
    given = [(name, quote(_whole(value), safe="".join(map(chr, range(0x20, 0x7F))))) for name, value in call.headers]
    kept = [(name, value) for name, value in given if _TOKEN.fullmatch(name) and name.lower() not in {"authorization", "content-type"}]
    return [*([("Content-Type", _visible_ascii(call.body.content_type))] if call.body else []), *kept]


def _lines(call: Call) -> list[str]:
    return [f"{name}: {value}" for name, value in _headers(call)]


def _visible_ascii(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "", text)[:200]


def _text(body: Body) -> str:
    """The body as it is sent, but for the spaces in JSON, which mean nothing."""
    if is_json(body.content_type):
        return _json_text(_tidy(body.value), indent=2)
    if body.content_type == FORM and isinstance(body.value, Mapping):
        return urlencode([(name, told(value)) for name, value in body.value.items()], quote_via=quote_plus)
    text = body.value if isinstance(body.value, str) else _json_text(_tidy(body.value))
    return "".join(each for each in _whole(text) if each.isprintable() or each in "\n\t")


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which no encoding can hold."""
    return text.encode(errors="replace").decode()


def _tidy(value: Any) -> Any:
    """A value that JSON can hold: no number is infinite, no text broken."""
    match value:
        case str():
            return _whole(value)
        case Mapping():
            return {_whole(str(name)): _tidy(each) for name, each in value.items()}
        case list() | tuple():
            return [_tidy(each) for each in value]
        case bool() | int() | None:
            return value
        case float() if math.isfinite(value):
            return value
    return None


def _json_text(value: Any, *, indent: int | None = None) -> str:
    return _escaped(json.dumps(value, ensure_ascii=False, indent=indent), _json_escape)


def _quoted(text: str) -> str:
    """In double quotes as Python and Go read them."""
    return _escaped(json.dumps(_whole(text), ensure_ascii=False), _long_escape)


def _quoted_js(text: str) -> str:
    return _escaped(json.dumps(_whole(text), ensure_ascii=False), _json_escape)


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    """What can't be seen, or turns lines round, by its number."""
    return "".join(each if each.isprintable() or each == "\n" else escape(each) for each in text)


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 0x7F else f"\\u{ord(character):04x}"


def _long_escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


# Per language


def _braced(members: list[str], pad: str, *, inner: str) -> str:
    """A single member on its line, several on lines of their own."""
    if len(members) == 1:
        return f"{{{inner}{members[0]}{inner}}}"
    return "{\n" + "".join(f"{pad * 2}{each},\n" for each in members) + pad + "}"


def _python_value(value: Any, depth: int) -> str:
    pad, end = "    " * (depth + 1), "    " * depth
    match value:
        case dict() if value:
            members = (f"{pad}{_quoted(name)}: {_python_value(each, depth + 1)},\n" for name, each in value.items())
            return "{\n" + "".join(members) + end + "}"
        case list() if value:
            return "[\n" + "".join(f"{pad}{_python_value(each, depth + 1)},\n" for each in value) + end + "]"
        case str():
            return _quoted(value)
    return repr(value)


def _javascript_body(body: Body) -> str:
    text = _text(body)
    # As a literal `__proto__` would be no member, and a large number another.
    if not is_json(body.content_type) or "__proto__" in text or any(int(digits) > _MAX_SAFE for digits in re.findall(r"\d{16,}", text)):
        return _quoted_js(text)
    return f"JSON.stringify({text})".replace("\n", "\n  ")


def _go_text(text: str) -> str:
    """As it stands between backticks, where Go takes it so."""
    return f"`{text}`" if "\n" in text and "`" not in text and all(each.isprintable() or each in "\n\t" for each in text) else _quoted(text)
