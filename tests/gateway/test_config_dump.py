"""What a gateway holds, and shows to whoever may ask its admin interface: public keys, and nothing secret (I12)."""

import json

from joserfc.jwk import ECKey

from keys import tokens
from tests import make, secrets_search
from tests.live import Gateway, Upstream, shop

HEADER_SECRET = "upstream-header-secret-4712"


def test_a_gateway_is_told_public_keys_alone_and_shows_no_upstreams_secret(gateway: Gateway, upstream: Upstream) -> None:
    acme = shop(upstream, header="X-Key", secret=HEADER_SECRET)
    carl = acme.client()
    with acme.scope():
        _, secret = make.credential(carl.application)
        _, api_key = make.api_key(carl.application)
    acme.enforced_newest()
    gateway.settles(200, "", acme.path(), carl.token())
    assert upstream.seen[-1].headers["x-key"] == HEADER_SECRET
    told = secrets_search.config_dump(gateway.folder / "admin.sock")
    assert acme.key.kid in told
    assert secrets_search.found_in(told, {}) == ""
    body = "".join(tokens.dump(acme.key).decode().splitlines()[1:-1])
    for private in (HEADER_SECRET, secret, api_key, str(acme.key.private.as_dict(private=True)["d"]), body[:40]):
        assert private not in told


def test_a_private_key_would_be_found_there() -> None:
    """As it would stand in it: JSON in a text in JSON."""
    private = ECKey.generate_key("P-256", private=True).as_dict(private=True)
    assert "JWK" in secrets_search.found_in(json.dumps({"inline_string": json.dumps({"keys": [private]})}), {})
