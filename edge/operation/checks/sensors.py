"""Every configured sensor is connected and well."""

from edge.operation.finding import Context, Finding, bad, good


def check(context: Context) -> Finding:
    """Whether the daemon calls each of them ok."""
    if not context.config.sensors:
        return bad(
            __name__,
            "No sensor is configured: the box sees and scans nothing.",
            f"Add [sensors.NAME] tables to {context.path}, then: storebox config check",
        )
    if context.alive is None:
        return bad(
            __name__,
            "No sensor is read, because the daemon does not run.",
            "Start the daemon, or try one alone: storebox sensors test NAME",
        )
    sick = [sensor for sensor in context.alive.sensors if not sensor.ok]
    if not sick:
        return good(__name__, f"All {len(context.alive.sensors)} sensors are well.")
    first = sick[0]
    more = f" And {len(sick) - 1} more: storebox sensors list" if len(sick) > 1 else ""
    return bad(
        __name__,
        f"Sensor {first.name} ({first.device}): {first.state.rstrip('.')}.",
        (first.remedy or f"Try it: storebox sensors test {first.name}") + more,
    )
