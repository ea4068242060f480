"""Numbered changes of the main file's schema, applied in order at start, each in a transaction.

One module a change, `m0001_...`; a published one is never edited. Called by `edge/storage/database`.
"""

from sqlite_utils.migrations import Migrations

from edge.storage.migrations import m0001_main

SCHEMA = Migrations("storebox")
SCHEMA(name="0001_main")(m0001_main.apply)

NAMES = ("0001_main",)
"""Every change this version knows; a file with others was written by a newer storebox."""
