"""Back up and restore the database's rows and files.

An archive is written and read as a stream, and checked by content.
"""
