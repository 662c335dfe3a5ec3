"""scripts/roll: the running stack gets the current images and settings while people chat.

Standard library of Python 3.9 only: it runs on the server beside Docker, not in the checkout's environment.
"""
