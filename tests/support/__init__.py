"""Shared helpers of the tests: real services, a real server, clients of the native dialect."""
