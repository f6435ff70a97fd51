"""Pictures of every page with the demo's data, in both themes at two widths: `make visual` puts them into docs/img."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from portal.stack import Ports, Stack
from tests.e2e import chromium
from tests.e2e.conftest import environment
from tests.e2e.pages import Place, places
from tests.e2e.world import SIZES, THEMES, World, settled

IMAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "img"
# So many colours are enough for pages; the files are a quarter as large.
COLOURS = 256


def main() -> int:
    IMAGES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="portico-visual-"))
    folder.chmod(0o755)
    with chromium.browser() as browser, Stack(folder / "var", listen=Ports(0, 0, 0, 0), environment=environment()) as stack:
        world = World(stack, browser)
        everywhere = places(world)
        for theme in THEMES:
            for width in SIZES:
                for email in sorted({place.email for place in everywhere}):
                    take(world, [place for place in everywhere if place.email == email], email, theme, width)
    print(f"{len(list(IMAGES.glob('*.png')))} pictures lie in {IMAGES}.")
    return 0


def take(world: World, wanted: list[Place], email: str, theme: str, width: int) -> None:
    with world.person(email, theme=theme, width=width) as page:
        for place in wanted:
            page.goto(place.path)
            settled(page)
            # Playwright hides the caret by a style, which the page's policy forbids.
            picture = Image.open(io.BytesIO(page.screenshot(full_page=True, caret="initial")))
            name = f"{place.name.replace(':', '-')}-{theme}-{width}.png"
            picture.convert("RGB").quantize(COLOURS).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
