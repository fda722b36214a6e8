"""Reports on disk: one database, one writer thread, raw frames kept beside the rows made from them."""

from pe_collector.store.database import FILE_NAME, StoreError, create, is_there, open_reader, open_writer
from pe_collector.store.opening import Arrived, Opened, open_report
from pe_collector.store.rows import Filed, file_frame
from pe_collector.store.writer import Stored, Writer

__all__ = [
    "FILE_NAME",
    "Arrived",
    "Filed",
    "Opened",
    "StoreError",
    "Stored",
    "Writer",
    "create",
    "file_frame",
    "is_there",
    "open_reader",
    "open_report",
    "open_writer",
]
