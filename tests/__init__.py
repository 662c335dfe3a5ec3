"""The tests mirror app/; stack/ needs Docker, browser/ needs Chromium."""
