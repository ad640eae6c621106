"""YAML text to plain data and back, with file, line and column of what is wrong.

`read_source` and `read_documents` read definitions, `split_documents` and `read_text` logs, `dump`
writes, and `to_plain` makes plain data of what a Module or an expression gave.
"""

from coolrunner.yamlio.plain import to_plain
from coolrunner.yamlio.reading import load, read_documents
from coolrunner.yamlio.source import Document, Source, moved, read_source
from coolrunner.yamlio.stream import RawDocument, read_text, split_documents
from coolrunner.yamlio.writing import dump, flow_text

__all__ = [
    "Document",
    "RawDocument",
    "Source",
    "dump",
    "flow_text",
    "load",
    "moved",
    "read_documents",
    "read_source",
    "read_text",
    "split_documents",
    "to_plain",
]
