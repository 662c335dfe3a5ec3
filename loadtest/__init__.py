"""Load for Hubbub: Locust users that speak WebSocket, and a ledger that proves what was lost, doubled or out of order."""
