"""Pictures that people send: decoded, made small, and written anew, so that nothing but pixels is kept."""

from io import BytesIO

from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from tenants.errors import Invalid

MAX_BYTES = 1024 * 1024
# Pixels on a side of what is sent, and of what is kept.
MOST, SIDE = 4096, 256
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def logo(sent: bytes, *, size: int) -> bytes:
    """A PNG of at most SIDE by SIDE pixels.

    :param size: of the whole file; more than what was held of it was too much. :raises Invalid: it is no such picture.
    """
    if size > MAX_BYTES:
        raise Invalid({"logo": [_("This file is larger than 1 MB.")]})
    try:
        with Image.open(BytesIO(sent), formats=FORMATS) as found:
            if max(found.size) > MOST:
                raise Invalid({"logo": [_("This picture has more than %(most)s pixels on a side.") % {"most": MOST}]})
            picture = ImageOps.exif_transpose(found).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise Invalid(
            {"logo": [_("Send a PNG, JPEG, WebP or GIF. Other files, SVG among them, are not taken: they may hold more than a picture.")]}
        ) from None
    picture.thumbnail((SIDE, SIDE))
    # What came with the pixels, such as a colour profile of any size and content, would be written again.
    picture.info.clear()
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
