"""Settings, and the places where features are put together."""

import atexit
import gc

from core.lazy_module import without

# A start makes 130,000 objects that stay. Looking through them again and again took a sixth of it.
gc.set_threshold(50_000, 20, 50)
# At its end the interpreter looks through them several times more, a third of a short command; frozen, they are passed over.
atexit.register(gc.freeze)
# Tools of development bring rich along, and structlog loads it where it is: a tenth of a start, for a console that people who
# only run the server never see.
with without("rich"):
    import structlog as _  # noqa: F401
