from __future__ import annotations

from prometheus_client import Counter, Gauge

# result: stored, refused, aborted (the client went, or the server ended), failed.
UPLOADS = Counter("hubbub_file_uploads_total", "Uploads of files, by what became of them", ["result"])
RECEIVED = Counter("hubbub_file_received_bytes_total", "Bytes of uploads that were written to the disk")
SERVED = Counter("hubbub_file_served_bytes_total", "Bytes of files that were read for people")
STORED = Gauge("hubbub_file_stored_bytes", "Bytes of all files, as last counted", multiprocess_mode="livemostrecent")
REMOVED = Counter("hubbub_files_removed_total", "Files that the background worker removed, and why", ["reason"])
