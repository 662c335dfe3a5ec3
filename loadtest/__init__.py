"""Load for Hubbub: Locust users that speak WebSocket, and a ledger that proves which events were lost, doubled or reordered."""
