"""scripts/roll: give the running stack the current images and settings.

People chat meanwhile. Standard library of Python 3.9 only: it runs on the server beside Docker, not in the checkout's
environment.
"""
