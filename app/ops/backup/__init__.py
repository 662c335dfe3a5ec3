"""Back up and restore: a stream of the database's rows and of files, checked by content."""
