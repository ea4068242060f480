"""`storebox members`: which loyalty members this box knows, and what they agreed to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile
from edge.records import ConsentKind

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
    everything: Annotated[
        bool, typer.Option("--everything", help="All that this box holds on them.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all of it to a new file, as JSON.")
    ] = None,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Show one member: consents, and whether they are in the shop; or all that is held on them."""
    if export is not None:
        from edge.cli.member_held import write

        write(member, export, config)
        return
    if everything:
        from edge.cli.member_held import tell

        tell(member, config, json=json)
        return
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
        ("agreed to", "when", "text", "by", "witness"),
        (
            (c.kind.value, printing.local_time(c.given_ms), c.text_version, c.channel, c.witness)
            for c in member.consents
        ),
        empty="No consents.",
    )


@app.command()
def withdraw(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    kind: Annotated[
        ConsentKind, typer.Option(help="Which consent; `programme` is the whole profile.")
    ],
    by: Annotated[str, typer.Option(help="Who takes it: your name or number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Take back a consent for a member who asks for it: what rests on it is erased at once."""
    from edge.cli.reaching import from_daemon
    from edge.config import load
    from edge.operation.people import Gone

    loaded = load(config)
    what = "the whole profile" if kind is ConsentKind.PROGRAMME else f"the consent to {kind}"
    if not yes:
        typer.confirm(f"Erase {what} of member {member} for good?", abort=True, err=True)
    gone = from_daemon(loaded, Gone, "member.withdraw", id=member, kind=kind.value, by=by)
    if json:
        printing.as_json(gone)
        return
    print(f"Taken back: {what} of member {member}. The platform will be told.")
    printing.pairs([(f"  {name}", count) for name, count in gone.rows.items()])
