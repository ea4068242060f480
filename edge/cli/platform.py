"""`storebox platform`: the small reference platform, for the demo, tests and first steps."""

import typer

app = typer.Typer(help="The reference platform.", no_args_is_help=True)

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.callback()
def platform() -> None:
    """The reference platform."""


@app.command(context_settings=_PASSED_ON)
def run(context: typer.Context) -> None:
    """Run the reference platform; its options are its own (--help shows them)."""
    from sync.reference.main import main

    raise typer.Exit(main(context.args))
