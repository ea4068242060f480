"""`storebox doctor`: what is wrong with this box, and what to do about it."""

from typing import TYPE_CHECKING

import typer

from edge.cli import exits, printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.operation.finding import Finding


def doctor(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Say what is wrong with this box, and what to do.

    Works with a dead daemon, without a line, and with a broken configuration.
    """
    from edge.operation.doctor import examine, gather

    findings = examine(gather(config))
    wrong = [finding for finding in findings if not finding.ok]
    if json:
        printing.as_json({"checks": findings})
    else:
        _show(findings)
    if wrong:
        raise typer.Exit(exits.FAILED)


def _show(findings: "list[Finding]") -> None:
    """What is wrong first, then what could not be checked because of it, then what is well."""
    from edge.operation.finding import NOT_CHECKED

    failed = [finding for finding in findings if finding.made and not finding.ok]
    unmade = [finding for finding in findings if not finding.made]
    printing.table(
        ("", "check", "what is"),
        [
            *((printing.verdict(False), f.id, f.cause) for f in failed),
            *(("not checked", f.id, f.cause.removeprefix(NOT_CHECKED)) for f in unmade),
            *((printing.verdict(True), f.id, f.cause) for f in findings if f.ok),
        ],
    )
    for number, finding in enumerate(failed or unmade, start=1):
        print(printing.printable(f"\n{number}. {finding.id}: {finding.cause}"))
        print(printing.printable(f"   {finding.remedy}"))
    rest = f", {len(unmade)} could not be made because of that" if unmade else ""
    print(f"\n{len(findings)} checks, {len(failed) or 'none'} failed{rest}.")
