"""Which Envoys may become gateways: what is compiled here was run on these, and an older one may let through what it does not know."""

OLDEST, NEWEST = (1, 38), (1, 40)


def is_supported(version: str) -> bool:
    """:param version: as control reads it from a stream's first request, `1.40.2`."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return major.isdecimal() and minor.isdecimal() and OLDEST <= (int(major), int(minor)) <= NEWEST


def supported() -> str:
    return f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"


def refusal(version: str) -> str:
    """What an Envoy of another version is told."""
    return (
        f"This is Envoy {version}. Portico configures Envoy {supported()}: a gateway of another version might not enforce what it is sent."
    )
