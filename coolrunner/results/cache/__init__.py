"""The index: what was read of results, kept so that only what has changed is read again.

It is one SQLite file, which can be deleted at any time: the files that it was made from stay the truth.
"""
