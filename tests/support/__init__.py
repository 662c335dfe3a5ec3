"""Shared helpers of the tests: real services, servers and clients."""
