"""What tests share: real services, a real server, and a client of the native dialect."""
