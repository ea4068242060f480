"""`storebox visits`: who the box believes to be in the shop, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.operation.facts import VisitRow
    from edge.operation.visit_facts import StepRow, VisitStory

LISTED = ("visit", "state", "stage", "opened", "last seen", "sensor", "member", "believed", "why")
WORDS = {
    "sign": "a sign",
    "kiosk": "at the kiosk",
    "merged": "one person with another visit",
    "split": "another person's part left",
    "adopted": "taken for who came in",
    "corrected": "staff: it is not",
}
"""What a step is called for people; others by their own name."""

app = typer.Typer(help="Visits to the shop.", no_args_is_help=True)


@app.command("list")
def list_(
    ended: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=500)] = 100,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show the open visits, with the probability and the reasons of each recognition."""
    from edge.cli.reaching import from_anywhere
    from edge.config import load
    from edge.operation import facts

    found = from_anywhere(
        load(config),
        tuple[facts.VisitRow, ...],
        lambda connection, _: facts.visit_rows(connection, ended=ended, limit=limit),
        "visits",
        ended=ended,
        limit=limit,
    )
    if json:
        printing.as_json({"visits": found})
        return
    printing.table(
        LISTED,
        (_listed(visit) for visit in found),
        empty="Nobody is in the shop." if not ended else "There has been no visit.",
    )


def _listed(visit: "VisitRow") -> tuple[str | None, ...]:
    return (
        visit.id,
        visit.state,
        visit.stage,
        printing.local_time(visit.opened_ms),
        printing.local_time(visit.last_seen_ms),
        visit.sensor,
        visit.member,
        f"{visit.posterior:.1%}" if visit.member else "-",
        "; ".join(visit.reasons),
    )


@app.command()
def show(
    visit: Annotated[str, typer.Argument(help="The visit's id, as `visits list` shows it.")],
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Tell the history of one visit: each sign, what was believed after it, stages and zones."""
    from edge.cli.reaching import from_anywhere
    from edge.config import load
    from edge.operation import visit_facts

    found = from_anywhere(
        load(config),
        visit_facts.VisitStory,
        lambda connection, _: visit_facts.story(connection, visit),
        "visit",
        id=visit,
    )
    if json:
        printing.as_json(found)
    else:
        _show(found)


def _show(story: "VisitStory") -> None:
    visit = story.visit
    whose = f"{visit.member} ({visit.posterior:.1%})" if visit.member else "nobody known"
    printing.pairs(
        [
            ("visit", visit.id),
            ("whose", f"{whose}, {visit.state}"),
            ("stage", f"{visit.stage}, reached: {visit.reached}"),
            ("opened", f"{printing.local_time(visit.opened_ms)} at {visit.sensor}"),
            ("last seen", printing.local_time(visit.last_seen_ms)),
            ("in the figures", visit.counted),
            *(("why" if not n else "", reason) for n, reason in enumerate(visit.reasons)),
        ]
    )
    print()
    printing.table(
        ("when", "what", "where", "member", "worth", "believed", "how"),
        (_step(step, visit.id) for step in story.steps),
        empty="Nothing was noted down of it.",
    )
    if story.zones:
        print()
        printing.table(
            ("zone", "stayed"),
            ((zone, printing.duration(ms / 1000)) for zone, ms in sorted(story.zones.items())),
        )


def _step(step: "StepRow", visit: str) -> tuple[str, ...]:
    elsewhere = "" if step.visit == visit else f" [{step.visit}]"
    return (
        printing.local_time(step.at_ms),
        WORDS.get(step.what, step.what),
        step.sensor,
        step.member or "",
        f"{step.llr:+.1f}" if step.llr is not None else "",
        f"{step.posterior:.1%}" if step.posterior is not None else "",
        step.text + elsewhere,
    )
