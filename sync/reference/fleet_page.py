"""What people see of the fleet: one page of HTML, drawn anew for each look.

Called by `page.py`. The figures are the database's; whatever a box could have written is escaped.
A large fleet is cut short: the boxes that are furthest behind come first.
"""

import time
from contextlib import closing
from html import escape

from sync.ingest.boxes import BoxView, StreamView
from sync.ingest.commands import Commands, CommandView
from sync.ingest.log import Received, counts_by_type, latest
from sync.ingest.store import Opening, Where, open_store

BOXES_SHOWN = 200
LATEST_SHOWN = 30
COMMANDS_SHOWN = 20
BODY_SHOWN_MAX = 160

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="2"><title>storebox reference platform</title><style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1c2733;background:#f6f7f9}}
h1{{font-size:1.3rem}}h2{{font-size:1.05rem;margin-top:2rem}}
table{{border-collapse:collapse;background:#fff;width:100%}}
th,td{{text-align:left;padding:.35rem .7rem;border-bottom:1px solid #e3e7ec;vertical-align:top}}
td.n{{text-align:right;font-variant-numeric:tabular-nums}}code{{font-size:.85em}}
.on{{color:#0a7a3d}}.off{{color:#b3261e}}</style></head><body>
<h1>storebox reference platform</h1><p>Line to the broker: {line}. {summary}</p>
<h2>Boxes</h2><table><tr><th>box</th><th>line</th><th>committed</th><th>behind</th><th>lag</th>
<th>oldest waiting</th><th>datasets</th><th>given up</th><th>clock</th></tr>{boxes}</table>
<h2>Commands</h2><table><tr><th>box</th><th>command</th><th>state</th></tr>{commands}</table>
<h2>Events by type</h2><table>{counts}</table>
<h2>Last events</h2><table><tr><th>received</th><th>event</th><th>type</th><th>body</th></tr>
{events}</table></body></html>"""


def drawn(where: Where, boxes: list[BoxView], *, connected: bool) -> bytes:
    """The page."""
    furthest = sorted(boxes, key=lambda box: (-box.behind, box.address))[:BOXES_SHOWN]
    with closing(open_store(where, Opening.READ)) as store:
        commands = Commands(store).latest(COMMANDS_SHOWN)
    counts = "".join(
        f"<tr><td>{escape(kind)}</td><td class=n>{count}</td></tr>"
        for kind, count in counts_by_type(where).items()
    )
    return _PAGE.format(
        line=_line(connected),
        summary=_summary(boxes, len(furthest)),
        boxes="".join(map(_box, furthest)),
        commands="".join(map(_command, commands)),
        counts=counts,
        events="".join(_event(row) for row in latest(where, LATEST_SHOWN)),
    ).encode()


def _summary(boxes: list[BoxView], shown: int) -> str:
    online = sum(box.online for box in boxes)
    behind = sum(box.behind for box in boxes)
    cut = f" The {shown} furthest behind are shown." if shown < len(boxes) else ""
    return f"{len(boxes)} boxes, {online} on line, {behind} events behind.{cut}"


def _line(connected: bool) -> str:
    return "<b class=on>on line</b>" if connected else "<b class=off>off line</b>"


def _box(box: BoxView) -> str:
    hello = box.hello
    datasets = hello.datasets.items() if hello else ()
    versions = ", ".join(f"{name} {held.generation[:8]}/{held.version}" for name, held in datasets)
    given_up = ", ".join(f"{s} {n}" for s, n in hello.evicted.items() if n) if hello else ""
    cells = (
        ", ".join(f"{stream.stream} {stream.upto}" for stream in box.streams),
        ", ".join(f"{s.stream} {s.behind}" for s in box.streams if s.behind) or "0",
        ", ".join(_lag(stream) for stream in box.streams if stream.received_ms),
        _when(box.oldest_ms),
        escape(versions),
        given_up or "0",
        hello.clock if hello else "",
    )
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr><td>{escape(box.address)}</td><td>{_line(box.online)}</td>{shown}</tr>"


def _lag(stream: StreamView) -> str:
    return f"{stream.stream} {stream.lag_ms / 1000:.1f} s"


def _command(command: CommandView) -> str:
    state = "sent" if command.sent_ms else "waits for the box"
    state = command.done.decode("utf-8", "replace")[:BODY_SHOWN_MAX] or state
    kind = f"{command.type} ({command.counter})"
    return (
        f"<tr><td>{escape(command.address)}</td><td>{escape(kind)}</td>"
        f"<td><code>{escape(state)}</code></td></tr>"
    )


def _event(row: Received) -> str:
    body = row.body.decode("utf-8", "replace")[:BODY_SHOWN_MAX]
    return (
        f"<tr><td>{_when(row.received_ms)}</td>"
        f"<td>{escape(row.address)} {row.stream} {row.seq}</td>"
        f"<td>{escape(row.type)}</td><td><code>{escape(body)}</code></td></tr>"
    )


def _when(wall_ms: int) -> str:
    if not wall_ms:
        return ""
    then = time.localtime(wall_ms / 1000)
    today = time.strftime("%j %Y") == time.strftime("%j %Y", then)
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", then)
