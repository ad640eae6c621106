"""YAML text to plain data and back, with file, line and column of what is wrong.

`read_source` and `read_documents` read definitions, `split_documents` and `read_text` logs (`stream` and
`lines` have what large ones need), `dump` writes, and `to_plain` makes plain data of what a Module or an
expression gave.
"""

from coolrunner.yamlio.lines import read_text
from coolrunner.yamlio.plain import canonical, to_plain
from coolrunner.yamlio.reading import load, read_documents
from coolrunner.yamlio.source import Document, Source, moved, read_source
from coolrunner.yamlio.stream import RawDocument, split_documents
from coolrunner.yamlio.writing import dump, flow_text

__all__ = [
    "Document",
    "RawDocument",
    "Source",
    "canonical",
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
