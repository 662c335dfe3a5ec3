"""What an operator sets of locations."""

from __future__ import annotations

from core.variables import Variable

VARIABLES = (
    Variable(
        "TILES_URL",
        "url",
        None,
        "Map tiles for locations, such as https://tiles.example.org/{z}/{x}/{y}.png; pages then load images from there. Unset: a"
        " map of the world that comes with the page and needs no internet",
        csp="img-src",
    ),
    Variable("TILES_ATTRIBUTION", "text", None, "Whom the map tiles are owed to, shown on the map"),
)
