"""What this process knows of itself."""

import math

draining = False
"""Set while it hands its sockets over: /readyz answers 503."""

end_by = math.inf
"""time.monotonic() by which a draining process has to have finished; then it is killed."""
