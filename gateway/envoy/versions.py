"""Which Envoys may become gateways: what is compiled here was run on these, and an older one may let through what it does not know."""

OLDEST, NEWEST = (1, 38), (1, 40)
# Since when Envoy has what APIs of AI models need: priority groups of clusters, another one for each attempt, and a route that is looked
# for anew. An older one would refuse all of the tenant's routes, so it is told of such an API only that it does not serve it.
SERVES_AI = (1, 40)


def is_supported(version: str) -> bool:
    """:param version: as control reads it from a stream's first request, `1.40.2`."""
    return (read := _read(version)) is not None and OLDEST <= read <= NEWEST


def serves_ai(version: str) -> bool:
    """:param version: of a gateway, as above."""
    return (read := _read(version)) is not None and read >= SERVES_AI


def _read(version: str) -> tuple[int, int] | None:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def supported() -> str:
    return f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"


def refusal(version: str) -> str:
    """What an Envoy of another version is told."""
    return (
        f"This is Envoy {version}. Portico configures Envoy {supported()}: a gateway of another version might not enforce what it is sent."
    )
