"""A Django app of the chaos suite: it kills a process between commit and publish."""
