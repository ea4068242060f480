"""The certificate with which this box shows who it is will be good for a while."""

from pathlib import Path

from cryptography import x509

from edge.operation.finding import NOT_CHECKED, Context, Finding, bad, good

LEFT_DAYS_MIN = 14
"""Time enough to send somebody; an expired one shuts the box out until it is enrolled again."""
DAY_MS = 24 * 3600 * 1000
ENROL = "Ask for a code (storebox platform claim) and run: storebox enrol"


def check(context: Context) -> Finding:
    """Whether the certificates that are configured are good now, and will be for two weeks."""
    config = context.config
    sections = [config.broker, *([config.shop_broker] if config.shop_broker else [])]
    paths = [Path(section.cert_file) for section in sections if section.cert_file]
    if not paths:
        return good(__name__, "No certificate is configured for this box.")
    clock = context.alive.clock if context.alive is not None else context.now
    if not clock.trusted:
        return bad(
            __name__, f"{NOT_CHECKED}the clock is not synchronised.", "See the check clock_trusted."
        )
    found = [_found(path, clock.wall_ms) for path in paths]
    return next((finding for finding in found if not finding.ok), found[0])


def _found(path: Path, now_ms: int) -> Finding:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        return bad(__name__, f"There is no certificate {path}.", ENROL)
    except ValueError:
        return bad(__name__, f"{path} is no certificate in PEM.", ENROL)
    begins_ms = certificate.not_valid_before_utc.timestamp() * 1000
    ends = certificate.not_valid_after_utc
    left_ms, day = ends.timestamp() * 1000 - now_ms, f"{ends:%Y-%m-%d}"
    if now_ms < begins_ms:
        return bad(__name__, f"The certificate {path} is not valid yet.", "Check the clock.")
    if left_ms <= 0:
        return bad(__name__, f"The certificate {path} expired on {day}.", ENROL)
    if left_ms < LEFT_DAYS_MIN * DAY_MS:
        left = f"in {int(left_ms // DAY_MS)} days"
        return bad(__name__, f"The certificate {path} expires {left}, on {day}.", ENROL)
    return good(__name__, f"The certificate {path} is good until {day}.")
