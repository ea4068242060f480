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
        printing.table(
            ("", "check", "what is"),
            ((printing.verdict(f.ok), f.id, f.cause) for f in findings),
        )
        _advise(wrong)
        print(f"\n{len(findings)} checks, {len(wrong) or 'none'} failed.")
    if wrong:
        raise typer.Exit(exits.FAILED)


def _advise(wrong: "list[Finding]") -> None:
    """What to do, numbered; what could not be checked follows from something else."""
    from edge.operation.finding import NOT_CHECKED

    causes = [finding for finding in wrong if not finding.cause.startswith(NOT_CHECKED)]
    for number, finding in enumerate(causes, start=1):
        print(printing.printable(f"\n{number}. {finding.id}: {finding.cause}"))
        print(printing.printable(f"   {finding.remedy}"))
