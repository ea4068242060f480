"""The proof that an owner can print: who agreed and withdrew how often, who was erased and whether
the platform knows, and how often the box names somebody wrongly. Numbers and dates, no names.

`proved` reads them (for the daemon's answer, or from the files of a dead one), `proof` writes the
paper. Called by `storebox privacy proof`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from edge import erasure
from edge.config import Config
from edge.control import Question, question
from edge.operation.papers.paper import Both, Paper, Table
from edge.operation.rating import VisitRates, visit_rates
from edge.records import ConsentKind
from edge.storage import consent_log, erased
from edge.storage.consent_log import Total, What
from edge.storage.outbox import Executes

DAY_MS = 86_400_000
DAYS_MAX = 4000
ERASURES_MAX = 500
"""Erasures on one paper; of more, the newest."""

TITLE = Both("Согласия и удаления", "Consents and erasures")
KINDS = {
    ConsentKind.PROGRAMME: Both("программа", "programme"),
    ConsentKind.MARKETING: Both("рассылка", "marketing"),
    ConsentKind.WIFI: Both("Wi-Fi", "Wi-Fi"),
    ConsentKind.FACE: Both("лицо", "face"),
}
COLUMNS = {
    What.GIVEN: Both("дано", "given"),
    What.WITHDRAWN: Both("отозвано", "withdrawn"),
    What.ERASED: Both("удалено с участником", "erased with the member"),
    What.REFUSED: Both("не принято: согласия нет", "refused: no consent"),
}
NAMED = {
    "identified": Both("узнан как участник", "told as a member's"),
    "suggested": Both("показан только персоналу", "suggested to staff alone"),
    "target_fpir": Both("чужому названо имя", "a stranger is given a name"),
}


class Erasure(Struct, frozen=True):
    """One member left: when, by a clock that was `trusted`, who said so; whether the platform has
    acknowledged the receipt.
    """

    noted_ms: int
    trusted: bool
    channel: str
    by: str
    confirmed: bool


class Proved(Struct, frozen=True):
    """The answer to `privacy_proof`. `held` is how many agree to each kind now; `erased` how many
    were erased for ever since the box was set up.
    """

    days: int
    made_ms: int
    held: dict[ConsentKind, int]
    totals: tuple[Total, ...]
    erasures: tuple[Erasure, ...]
    erased: int
    rates: VisitRates


def proved(connection: Executes, config: Config, now_ms: int, days: int) -> Proved:
    """What the last `days` show."""
    since_ms = max(0, now_ms - days * DAY_MS)
    waiting = set(erased.receipts_waiting_ms(connection, erasure.RECEIPT))
    return Proved(
        days=days,
        made_ms=now_ms,
        held=consent_log.held(connection),
        totals=tuple(consent_log.totals(connection, since_ms)),
        erasures=tuple(
            Erasure(
                each.noted_ms,
                each.trusted,
                each.channel,
                each.witness,
                each.noted_ms not in waiting,
            )
            for each in consent_log.erasures(connection, since_ms, ERASURES_MAX)
        ),
        erased=erased.count(connection),
        rates=visit_rates(connection, config, now_ms),
    )


class _Asked(Struct, frozen=True, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)]


def proof_questions(
    reading: Executes, config: Config, now_ms: Callable[[], int]
) -> dict[str, Question]:
    """`privacy_proof`."""
    return {
        "privacy_proof": question(
            _Asked, lambda asked: proved(reading, config, now_ms(), asked.days)
        ),
    }


def proof(found: Proved, store: str, language: str) -> Paper:
    """In one language."""
    opening = Both(
        f"За {found.days} дней до {_when(found.made_ms)} (UTC). Никто не назван по имени.",
        f"Of the {found.days} days before {_when(found.made_ms)} (UTC). Nobody is named.",
    )
    forever = Both(
        f"Всего удалено навсегда на этом устройстве: {found.erased}.",
        f"Erased for ever on this box, all in all: {found.erased}.",
    )
    return Paper(
        "sheet",
        language,
        f"{store}: {TITLE.said(language)}",
        (
            opening.said(language),
            _consents(found, language),
            forever.said(language),
            _erasures(found, language),
            _rates(found, language),
        ),
    )


def _consents(found: Proved, language: str) -> Table:
    counts = {(each.kind, each.what): each.count for each in found.totals}
    heads = (
        Both("согласие", "consent to"),
        Both("действует", "in force"),
        *COLUMNS.values(),
    )
    rows = tuple(
        (
            name.said(language),
            str(found.held.get(kind, 0)),
            *(str(counts.get((kind, what), 0)) for what in COLUMNS),
        )
        for kind, name in KINDS.items()
    )
    return Table(tuple(head.said(language) for head in heads), rows)


def _erasures(found: Proved, language: str) -> Table:
    heads = (
        Both("участник удалён (UTC)", "a member was erased (UTC)"),
        Both("по слову", "at the word of"),
        Both("подтверждено платформе", "confirmed to the platform"),
    )
    doubt = Both(" (часы не сверены)", " (by a clock that was not set)").said(language)
    yes, no = Both("да", "yes").said(language), Both("ещё нет", "not yet").said(language)
    rows = tuple(
        (
            _when(each.noted_ms) + ("" if each.trusted else doubt),
            f"{each.channel} {each.by}".strip(),
            yes if each.confirmed else no,
        )
        for each in found.erasures
    )
    return Table(tuple(head.said(language) for head in heads), rows)


def _rates(found: Proved, language: str) -> Table:
    days = found.rates.days
    heads = (
        Both(f"узнавание за {days} дней", f"recognition in {days} days"),
        Both("из скольких", "of how many"),
        Both("ошибок допустимо", "errors allowed"),
        Both("ожидалось", "expected"),
        Both("исправлено персоналом", "corrected by staff"),
    )
    rows = tuple(
        (
            NAMED[each.name].said(language) if each.name in NAMED else each.name,
            str(each.told),
            _share(each.bound),
            _share(each.expected),
            f"{each.corrected} ({_share(each.observed)})",
        )
        for each in found.rates.rates
    )
    return Table(tuple(head.said(language) for head in heads), rows)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _when(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
