"""A program of its own: measures an image and makes its thumbnail.

`python -I picture.py IMAGE THUMBNAIL` prints JSON.

Decoders read input of strangers. Limits of memory and time stop a faulty one, and no server ends.
"""

import json
import resource
import sys

# Pixels of an image that is decoded. A JPEG is decoded at a fraction of its size.
MOST_PIXELS = 50_000_000
MOST_PIXELS_JPEG = 250_000_000
# Longest side: a preview of 320 points on a display with two pixels a point.
SIDE = 640
MEMORY = 1_024 * 2**20
CPU_S = 15
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp", "AVIF": "image/avif"}
# Where EXIF says how a camera was held.
ORIENTATION = 0x0112
TURNED = (5, 6, 7, 8)


def main(source: str, target: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    from PIL import Image, ImageOps  # noqa: PLC0415  # below the limits

    Image.MAX_IMAGE_PIXELS = None  # our own bounds follow
    with Image.open(source, formats=list(FORMATS)) as image:
        kind = str(image.format)
        width, height = image.size
        turned = image.getexif().get(ORIENTATION) in TURNED
        found = {"type": FORMATS[kind], "width": height if turned else width, "height": width if turned else height}
        if width * height <= (MOST_PIXELS_JPEG if kind == "JPEG" else MOST_PIXELS):
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG alone
            shown = ImageOps.exif_transpose(image)
            shown = shown.convert("RGBA" if shown.has_transparency_data else "RGB")
            shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            # Nothing but pixels: no place, no camera, no comment.
            shown.info.clear()
            shown.save(target, "WEBP", quality=80, method=4)
            found["thumbnail"] = True
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
