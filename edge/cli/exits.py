"""How a command ends. Scripts rely on these four numbers; nothing else may be returned."""

OK = 0
FAILED = 1
"""A check failed, or what was asked cannot be done."""
USAGE = 2
"""The command line itself is wrong (click returns it)."""
NOT_REACHABLE = 3
"""The daemon, or what only it knows, cannot be reached."""
