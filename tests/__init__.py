"""Tests mirror app/; stack/ needs Docker, browser/ needs Chromium, embedded/ starts what `make run` starts."""
