"""A Django app that only the chaos suite installs: the place where a process dies between commit and publish."""
