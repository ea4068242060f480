"""`storebox models`: which face models there are, and bringing them onto the box.

Works with the daemon dead and before there is a configuration. Nothing is downloaded unless an
address is named; what is installed is known by its SHA-256, and its licence is shown first.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import exits, printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.face_models import FaceModel
    from edge.operation.model_sources import Offer
    from edge.sections import FacesSection

app = typer.Typer(help="Models that find and describe faces.", no_args_is_help=True)


@app.command("list")
def list_(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Every known model: whether it is installed, under which licence, and what it is for."""
    from edge.operation.model_files import overview

    section = _section(config)
    facts = overview(Path(section.models), section.model)
    if json:
        printing.as_json(facts)
        return
    printing.table(
        ("model", "state", "used", "what it does", "numbers", "licence"),
        (
            (each.id, each.state, each.used, each.purpose, each.dimensions or "", each.licence)
            for each in facts
        ),
    )
    printing.say(f"Their files lie in {section.models}; those of dlib came with storebox.")


@app.command("install")
def install(
    source: Annotated[
        str, typer.Argument(metavar="FILE|DIRECTORY|URL", help="Also a zip bundle; URLs are https.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to the licence without asking.")
    ] = False,
    config: ConfigFile = CONFIG_FILE,
) -> None:
    """Check a model's files by SHA-256, show licence and card, and put them in their place."""
    from edge.operation.model_files import install, still_missing
    from edge.operation.model_sources import offers

    directory = Path(_section(config).models)
    with printing.progress(f"reading {source}") as progress:
        found = offers(source, progress)
    models = {offer.model.id: offer.model for offer in found}
    for model in models.values():
        _show(model, [offer for offer in found if offer.model.id == model.id])
    if not yes:
        typer.confirm("Install this under its licence?", abort=True)
    for path in install(directory, found):
        print(f"{path} is installed.")
    for model in models.values():
        for name in still_missing(directory, model):
            printing.say(f"{model.id} also needs {name}; until then it is not used.")
    printing.say("Restart the daemon to use it: systemctl restart storebox.")


@app.command("verify")
def verify(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Read and hash every installed file again; ends with 1 if one is not what it should be."""
    from edge.operation.model_files import ModelState, overview, troubles

    section = _section(config)
    found = troubles(Path(section.models), section.model)
    if json:
        printing.as_json({"ok": not found, "troubles": found})
    else:
        facts = overview(Path(section.models), section.model)
        whole = [each.id for each in facts if each.state is ModelState.INSTALLED]
        print(f"Whole: {', '.join(whole) or 'none'}.")
        for trouble in found:
            printing.say(f"{trouble.model}: {trouble.what} {trouble.remedy}")
    if found:
        raise typer.Exit(exits.FAILED)


def _section(config: Path) -> "FacesSection":
    """`[faces]`; what it is without a configuration while there is none."""
    from edge.config import load
    from edge.sections import FacesSection

    return load(config).faces if config.exists() else FacesSection()


def _show(model: "FaceModel", offers: "list[Offer]") -> None:
    print(f"\n{model.id} ({model.purpose})")
    for offer in offers:
        print(f"  {offer.file.name}, {len(offer.content)} bytes, SHA-256 {offer.file.sha256}")
    print(f"\n{printing.printable(model.card)}\n")
    print(printing.printable(f"Licence: {model.licence.name} ({model.licence.source})"))
    if model.licence.text:
        print(f"\n{model.licence.text}")
    print()
