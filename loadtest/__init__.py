"""Load for Hubbub: Locust users that speak WebSocket, and a ledger of events.

The ledger proves which events were lost, doubled or reordered.
"""
