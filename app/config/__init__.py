"""Settings, and the places where features are put together."""

from core.lazy_module import without

# Tools of development bring rich along, and structlog loads it where it is: a tenth of a start, for a console that people who
# only run the server never see.
with without("rich"):
    import structlog as _  # noqa: F401
