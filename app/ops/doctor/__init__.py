"""Checks of an installation: what is wrong, and the line to change."""
