"""Recent traces in one SQLite file: appended in group commits, found by service, operation and duration.

Start reading at ``store.py`` (the door and the appender thread); ``tables.py`` opens the file, ``encode.py`` turns
spans into rows and back, ``append.py`` writes them, ``retain.py`` drops the oldest, ``search.py`` reads.
"""

from store.traces.encode import TraceSummary
from store.traces.store import TraceStore, TraceStoreStats

__all__ = ["TraceStore", "TraceStoreStats", "TraceSummary"]
