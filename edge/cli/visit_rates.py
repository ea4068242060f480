"""`storebox visits rates`: how often the box takes somebody for somebody else."""

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile


def rates(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Show beside each threshold its false rate: allowed, expected, and as corrected by staff."""
    from edge.cli.reaching import from_anywhere
    from edge.clock import SystemClock
    from edge.config import load
    from edge.operation.rating import VisitRates, visit_rates

    loaded = load(config)
    found = from_anywhere(
        loaded,
        VisitRates,
        lambda connection, _: visit_rates(connection, loaded, SystemClock().now().wall_ms),
        "visit_rates",
    )
    if json:
        printing.as_json(found)
        return
    printing.table(
        ("threshold", "is", "false at most", "expected", "corrected by staff", "of", "visits"),
        (
            (
                rate.name,
                f"{rate.threshold:g}",
                _share(rate.bound),
                _share(rate.expected),
                _share(rate.observed),
                rate.corrected,
                rate.told,
            )
            for rate in found.rates
        ),
    )
    printing.say(
        f"Over {found.days} days. identified and suggested: of visits that were told so."
        " target_fpir: of strangers, how many a face gave a name."
        " Staff see only some errors: at least so many were wrong."
    )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3%}"
