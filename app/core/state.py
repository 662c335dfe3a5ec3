"""State of this process."""

import math

# True while the process hands its sockets over: /readyz answers 503.
draining = False

# Deadline of a draining process, in time.monotonic(); then it is killed.
end_by = math.inf
