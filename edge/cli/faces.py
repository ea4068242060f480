"""`storebox faces`: how faces are judged on this box; `picture` is in `face_picture.py`.

`calibrate` works with the daemon dead. Pictures are read, measured and forgotten: what is written
are numbers about strangers in general.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import exits, printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.presence.cohort import Cohort
    from edge.presence.face_calibration import Calibration
    from edge.presence.face_fitting import Fitted, Person

OWN_COHORT_PEOPLE_MIN = 200
"""Fewer strangers are no picture of strangers in general."""
SHOWN_PEOPLE, SHOWN_FPIR = 1_000, 0.001
"""Thresholds are shown for so many members and this share of strangers named."""

app = typer.Typer(help="What cameras see, and how faces are judged.", no_args_is_help=True)


@app.callback()
def faces() -> None:
    """What cameras see, and how faces are judged."""


@app.command("calibrate")
def calibrate(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="A folder of pictures for each person.")
    ],
    model: Annotated[str, typer.Option(help="An id of `storebox models list`, or auto.")] = "auto",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: beside the models.")
    ] = None,
    own_cohort: Annotated[
        bool,
        typer.Option(
            "--own-cohort",
            help="Measure a cohort here, too; never with dlib, whose scores it spoils.",
        ),
    ] = False,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Measure from labelled pictures how high strangers score, and write the thresholds.

    DIR/PERSON/*.jpg, or DIR/PERSON/OCCASION/*.jpg, one occasion named enrolled; DIR/groups.csv may
    name groups: PERSON,GROUP,GROUP. Several DIR are several origins. No members are needed for it.
    """
    from edge.face_files import chosen
    from edge.operation import face_tables
    from edge.presence.face_calibration import Calibration, with_cohort
    from edge.presence.face_fitting import Draws, fitted, vectors_in_cohort

    named = chosen(models := _models(config), model)
    people = _people(models, named, folders)
    cohort, own = _cohort(models, named, people, own_cohort)
    draws = Draws(cohort_vectors=vectors_in_cohort(people) if own else 0)
    with printing.progress("measuring strangers") as step:
        found = fitted(people, named, cohort, draws, step)
    table = with_cohort(found.table, cohort) if own and cohort is not None else found.table
    path = output or face_tables.site_file(models, named)
    _write(path, calibration := Calibration(table, cohort))
    _show(found, calibration, path, json)
    if output is not None:
        printing.say(f'Name it in [recognition]: calibration = "{output.absolute()}".')


def _write(path: Path, calibration: "Calibration") -> None:
    from edge.operation import face_tables

    try:
        face_tables.write(path, calibration)
    except OSError as error:
        printing.say(f"{path} cannot be written: {error.strerror}.")
        raise typer.Exit(exits.FAILED) from None


def _models(config: Path) -> Path:
    from edge.config import load
    from edge.sections import FacesSection

    return Path((load(config).faces if config.exists() else FacesSection()).models)


def _people(models: Path, model: str, folders: list[Path]) -> "list[Person]":
    """Everybody's vectors; says what could not be used."""
    from edge.operation.labelled_pictures import described, labelled
    from hardware.faces.backends import load

    found = labelled(folders)
    backend = load(models if models.is_dir() else None, model)
    with printing.progress(f"describing {len(found)} people") as step:
        told = described(backend, found, step)
    for reason, count in sorted(told.refused.items()):
        printing.say(f"{count} pictures not used: {reason}.")
    return told.people


def _cohort(
    models: Path, model: str, people: "list[Person]", wanted: bool
) -> "tuple[Cohort | None, bool]":
    """The cohort to measure with, and whether it is of these people.

    Only the model's own, unless one's own is `wanted`: under dlib scores are better without.
    """
    from edge.operation.face_tables import cohort_of
    from edge.presence.face_fitting import TooFewPeople, cohort_from

    if not wanted:
        return cohort_of(models, model), False
    if len(people) < OWN_COHORT_PEOPLE_MIN:
        raise TooFewPeople(
            f"These are pictures of {len(people)} people.",
            f"A cohort of one's own needs {OWN_COHORT_PEOPLE_MIN}.",
        )
    return cohort_from(people), True


def _show(found: "Fitted", calibration: "Calibration", path: Path, json: bool) -> None:
    if json:
        printing.as_json({"file": str(path), "table": found.table, "groups": found.groups})
        return
    printing.table(
        ("photos", "frames", f"threshold ({SHOWN_PEOPLE} members, 0.1 %)", "raised", "compared"),
        (
            (
                cell.photos,
                cell.frames,
                f"{calibration.threshold(cell.photos, cell.frames, SHOWN_PEOPLE, SHOWN_FPIR):.3f}",
                f"{cell.shift:.3f}",
                cell.pairs,
            )
            for cell in calibration.table.cells
        ),
    )
    printing.table(
        ("group", "people", "above everybody", "judged"),
        ((one.name, one.people, f"{one.shift:+.3f}", one.judged) for one in found.groups),
    )
    printing.say(f"{found.table.made_from}. Thresholds are those of: {found.table.group or 'all'}.")
    print(f"{path} is written.")
    printing.say("Restart the daemon to use it: systemctl restart storebox.")
