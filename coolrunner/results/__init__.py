"""Many results: the YamlLog and what reads it (find, collect, query, filter, write in other formats)."""
