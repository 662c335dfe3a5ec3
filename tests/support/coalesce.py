"""The ways to send. Whatever is promised holds with each of them."""

COALESCE = {"turn": {"COALESCE": "turn"}, "off": {"COALESCE": "off"}, "tick": {"COALESCE": "tick", "TICK_ABOVE": "0"}}
"""What the product is told for each. A tick is for busy rooms: in tests, for all of them."""
