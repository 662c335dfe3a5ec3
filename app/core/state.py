"""What this process knows of itself."""

import math

# Set while it hands its sockets over: /readyz answers 503.
draining = False

# time.monotonic() by which a draining process has to have finished; then it is killed.
end_by = math.inf
