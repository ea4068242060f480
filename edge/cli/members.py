"""`storebox members`: which loyalty members this box knows, and what they agreed to."""

from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.operation.facts import MemberFacts

app = typer.Typer(help="Loyalty members on this box.", no_args_is_help=True)


@app.command("list")
def list_(
    after: Annotated[str, typer.Option(help="Begin behind this member's id.")] = "",
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=500)] = 100,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show ids, tiers and consents. Names are shown for one member at a time."""
    from edge.cli.reaching import from_anywhere
    from edge.config import load
    from edge.operation import facts

    found = from_anywhere(
        load(config),
        tuple[facts.MemberRow, ...],
        lambda connection, vault: facts.member_rows(connection, vault, after=after, limit=limit),
        "members",
        after=after,
        limit=limit,
    )
    if json:
        printing.as_json({"members": found})
        return
    printing.table(
        ("member", "tier", "segment", "agreed to", "face template"),
        ((m.id, m.tier, m.segment, m.consents, m.has_template) for m in found),
        empty="This box knows no members.",
    )
    if len(found) == limit:
        printing.say(f"There may be more: storebox members list --after {found[-1].id}")


@app.command()
def show(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show one member: consents, and whether they are in the shop."""
    from edge.cli.reaching import from_anywhere
    from edge.config import load
    from edge.operation import facts

    found = from_anywhere(
        load(config),
        facts.MemberFacts,
        lambda connection, vault: facts.member_facts(connection, vault, member),
        "member",
        id=member,
    )
    if json:
        printing.as_json(found)
    else:
        _show(found)


def _show(member: "MemberFacts") -> None:
    visit = member.visit
    here = f"since {printing.local_time(visit.opened_ms)} ({visit.state})" if visit else "no"
    until_ms = member.wifi_until_ms
    phone = f"known until {printing.local_time(until_ms)}" if until_ms is not None else "not known"
    printing.pairs(
        [
            ("member", member.id),
            ("name", member.name),
            ("card", member.card),
            ("tier", member.tier),
            ("segment", member.segment),
            ("face template", member.has_template),
            ("phone on the Wi-Fi", phone),
            ("in the shop", here),
        ]
    )
    print()
    printing.table(
        ("agreed to", "when", "text", "by"),
        (
            (c.kind.value, printing.local_time(c.given_ms), c.text_version, c.channel)
            for c in member.consents
        ),
        empty="No consents.",
    )
