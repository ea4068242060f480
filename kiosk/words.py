"""Russian and English: sentences from gettext catalogues, and money, times and figures by CLDR.

Used by whoever draws a page. Catalogues are read from `locale/*/LC_MESSAGES/storebox.po` at
start, without a compile step. It knows no shop logic.
"""

import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations
from itertools import pairwise
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta, get_timezone
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_percent, get_currency_precision

from edge.visiting import Stage

LANGUAGES: Mapping[str, str] = {"ru": "Русский", "en": "English"}
"""What shoppers may choose, each named in itself."""
_LOCALES = Path(__file__).parent / "locale"
_SIGNS = {"RUB": "₽", "KZT": "₸", "BYN": "Br", "KGS": "⃀", "UZS": "soʻm", "AMD": "֏", "GEL": "₾"}
"""Signs that locales other than the country's own spell as a code."""


def N_(text: str) -> str:
    """Marks a sentence for the catalogues where it is written, not where it is shown."""
    return text


_WEIGHT = r" \((?P<weight>[+-][\d.]+)\)"
_FACE = r"face at (?P<place>.+): (?P<frames>\d+) frames, score (?P<score>-?[\d.]+)"
_REASONS = tuple(
    (re.compile(said + _WEIGHT), text)
    for said, text in (
        (r"card scanned at (?P<place>.+)", N_("Card scanned at %(place)s (%(weight)s)")),
        (_FACE, N_("Face at %(place)s, frames: %(frames)s, score %(score)s (%(weight)s)")),
        (
            rf"{_FACE}, not sure",
            N_("Face at %(place)s, not sure, frames: %(frames)s, score %(score)s (%(weight)s)"),
        ),
        (
            r"Wi-Fi login at (?P<place>.+), phone not yet seen with a card or face",
            N_("Login to the Wi-Fi at %(place)s, perhaps from another's phone (%(weight)s)"),
        ),
        (r"Wi-Fi login at (?P<place>.+)", N_("Login to the Wi-Fi at %(place)s (%(weight)s)")),
        (
            r"Wi-Fi phone known at (?P<place>.+)",
            N_("A known phone on the Wi-Fi at %(place)s (%(weight)s)"),
        ),
        (
            r"code at the screen (?P<place>.+)",
            N_("Code by telephone at the screen %(place)s (%(weight)s)"),
        ),
        (r"staff said so \((?P<by>.+)\)", N_("A seller said so: %(by)s (%(weight)s)")),
        (r"staff said so", N_("A seller said so (%(weight)s)")),
    )
)
"""How `edge.presence` words its reasons, and what staff read; the more special ones first."""
STAGES = {
    Stage.ARRIVED: N_("has arrived"),
    Stage.BROWSING: N_("is looking around"),
    Stage.AT_KIOSK: N_("is at the kiosk"),
    Stage.LEFT: N_("has left"),
}
EXCUSE = (N_("That is not possible right now."), N_("Ask a seller, please."))
NO_ROOM = (N_("Orders cannot be taken at the moment: the box has no room left."), EXCUSE[1])


@cache
def translations(language: str) -> GNUTranslations:
    """The catalogue of one language; read once."""
    path = _LOCALES / language / "LC_MESSAGES" / "storebox.po"
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


class Words:
    """One language, as templates use it. Money is given in minor units, times as Unix ms."""

    def __init__(self, language: str, currency: str, timezone: str = "") -> None:
        self.language = language
        self._catalogue = translations(language)
        self._locale = Locale.parse(language)
        self._currency = currency
        self._timezone = get_timezone(timezone or None)
        digits = get_currency_precision(currency)
        self._unit = 10**digits
        pattern = self._locale.currency_formats["standard"].pattern
        self._whole = re.sub(r"\.0+", "", pattern)

    def text(self, sentence: str) -> str:
        """The translation of an English sentence; itself if there is none."""
        return self._catalogue.gettext(sentence) if sentence else ""

    def plural(self, one: str, many: str, count: int) -> str:
        """The form for `count`, with `%(count)d` filled in."""
        return self._catalogue.ngettext(one, many, count) % {"count": count}

    def sentences(self, said: tuple[str, ...]) -> str:
        """What a desk said, for a shopper. What no catalogue knows becomes a general excuse."""
        known = [self.text(part) for part in said if self.knows(part)]
        if said and not known:
            known = [self.text(part) for part in EXCUSE]
        return " ".join(known)

    def knows(self, sentence: str) -> bool:
        """Whether the catalogue has this sentence."""
        return bool(self._catalogue.gettext(sentence) != sentence or self.language == "en")

    def money(self, minor: int) -> str:
        """`499000` -> `4 990 ₽`; with its fraction only when there is one."""
        amount = Decimal(minor) / self._unit
        if minor % self._unit:
            text = format_currency(amount, self._currency, locale=self._locale)
        else:
            text = format_currency(
                amount,
                self._currency,
                format=self._whole,
                locale=self._locale,
                currency_digits=False,
            )
        return text.replace(self._currency, _SIGNS.get(self._currency, self._currency))

    def probability(self, share: float) -> str:
        """A percentage that never promises more than is known: rounded down."""
        digits = 3 if 0.99 <= share < 1 else 2
        floored = Decimal(str(share)).quantize(Decimal(1).scaleb(-digits), rounding="ROUND_DOWN")
        pattern = self._locale.percent_formats[None].pattern.replace("##0", "##0.#")
        return format_percent(floored, pattern, locale=self._locale)

    def time(self, wall_ms: int) -> str:
        """The time of day in the shop."""
        moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
        return format_time(moment, "short", tzinfo=self._timezone, locale=self._locale)

    def date(self, wall_ms: int) -> str:
        """The day in the shop, to show: `22 нояб. 2026 г.`."""
        moment = datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(self._timezone)
        return format_date(moment, "medium", locale=self._locale)

    def day(self, wall_ms: int) -> str:
        """The calendar day in the shop, as `2026-11-22`: to compare, not to show."""
        moment = datetime.fromtimestamp(wall_ms / 1000, UTC)
        return format_datetime(moment, "yyyy-MM-dd", tzinfo=self._timezone, locale="en")

    def ago(self, milliseconds: int) -> str:
        """How long ago: `5 minutes ago`; a clock that was set back counts as just now."""
        if milliseconds < 60_000:
            return self.text("just now")
        passed = timedelta(milliseconds=milliseconds)
        return format_timedelta(-passed, add_direction=True, threshold=1, locale=self._locale)

    def duration(self, milliseconds: int) -> str:
        """How long: `12 minutes`."""
        passed = timedelta(milliseconds=max(60_000, milliseconds))
        return format_timedelta(passed, granularity="minute", threshold=1, locale=self._locale)

    def stage(self, stage: Stage) -> str:
        """How far a visit has come."""
        return self.text(STAGES[stage])

    def reason(self, said: str) -> str:
        """Why somebody is believed to be here, in this language; as it was said if it is new."""
        for pattern, text in _REASONS:
            match = pattern.fullmatch(said)
            if match:
                return self.text(text) % match.groupdict()
        return said


def first_name(name: str) -> str:
    """What to call somebody: `Anna Petrova` and `Петрова Анна Сергеевна` are both Anna."""
    words = name.split()
    for before, word in pairwise(words):
        if re.search(r"(вич|вна|ична|инична)$", word):
            return before
    return words[0] if words else ""
