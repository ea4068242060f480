"""The people of a scenario: who they are, which consents they gave, and how their face is altered.

Used by `shop.py` and `story.py`. The alterations were searched once so that the face model takes
the enrolled for different people from everybody else; `story.py` measures that again each time.
"""

from dataclasses import dataclass

from edge.records import Consent, ConsentKind, Member
from sensors.scenario.faces import Alteration

CONSENT_TEXT = "2026-01"
_YEAR_MS = 365 * 86_400_000
_P, _M, _W, _F = (
    ConsentKind.PROGRAMME,
    ConsentKind.MARKETING,
    ConsentKind.WIFI,
    ConsentKind.FACE,
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a face. `member` is None for a stranger."""

    label: str
    face: Alteration
    member: str | None = None


def card(number: int) -> str:
    """A loyalty card number: prefix 278 and an EAN-13 check digit, so that no card is a product."""
    return with_check_digit(f"278001{number:06d}")


def with_check_digit(digits: str) -> str:
    """Twelve digits and the thirteenth of an EAN-13 (GS1 General Specifications, 7.9)."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def members(as_of_ms: int) -> tuple[Member, ...]:
    """All members of this shop. Their consents were given within the year before `as_of_ms`."""
    rows = (
        ("Анна Соколова", "gold", "families", (_P, _M, _W, _F)),
        ("Борис Лебедев", "silver", "gifts", (_P, _F)),
        ("Вера Кузнецова", "gold", "families", (_P, _M, _F)),
        ("Глеб Орлов", "basic", "new", (_P, _F)),
        ("Дарья Морозова", "silver", "families", (_P, _M)),
        ("Егор Волков", "basic", "gifts", (_P,)),
        ("Жанна Павлова", "gold", "babies", (_P, _M, _W)),
        ("Захар Никитин", "basic", "new", (_P, _M)),
    )
    return tuple(
        Member(
            id=f"m-{1001 + place}",
            name=name,
            card=card(place + 1),
            tier=tier,
            segment=segment,
            consents=tuple(
                Consent(kind, as_of_ms - _YEAR_MS + place * 86_400_000, CONSENT_TEXT, "kiosk")
                for kind in kinds
            ),
        )
        for place, (name, tier, segment, kinds) in enumerate(rows)
    )


PEOPLE = (
    Person(
        "anna",
        Alteration(
            eye_gap=-3.32,
            eye_drop=2.26,
            eye_width=1.13,
            eye_height=1.11,
            brow_drop=3.22,
            brow_height=0.8,
            nose_drop=-0.94,
            nose_width=0.73,
            mouth_drop=-4.98,
            mouth_width=0.75,
            mouth_height=0.75,
            jaw=-2.25,
            cheeks=4.45,
            chin=-3.8,
            forehead=7.29,
            brightness=0.75,
            warmth=-0.04,
            colour=0.82,
        ),
        "m-1001",
    ),
    Person(
        "boris",
        Alteration(
            eye_gap=-4.82,
            eye_drop=3.93,
            eye_width=1.29,
            eye_height=0.8,
            brow_drop=-4.27,
            brow_height=1.02,
            nose_drop=2.93,
            nose_width=1.38,
            nose_height=1.03,
            mouth_drop=2.31,
            mouth_width=1.34,
            mouth_height=1.49,
            jaw=-9.06,
            cheeks=3.7,
            chin=7.08,
            forehead=11.59,
            brightness=0.91,
            warmth=-0.09,
            colour=0.83,
        ),
        "m-1002",
    ),
    Person(
        "vera",
        Alteration(
            eye_gap=-2.38,
            eye_drop=-4.9,
            eye_width=1.26,
            eye_height=0.91,
            brow_drop=2.33,
            brow_height=1.47,
            nose_drop=4.48,
            nose_width=0.93,
            nose_height=1.23,
            mouth_drop=-2.82,
            mouth_width=1.17,
            mouth_height=0.66,
            jaw=7.64,
            cheeks=-6.06,
            chin=5.8,
            forehead=4.45,
            brightness=0.6,
            warmth=0.08,
            colour=1.04,
            glasses=True,
            mirrored=True,
        ),
        "m-1003",
    ),
    Person(
        "gleb",
        Alteration(
            eye_gap=7.92,
            eye_drop=0.71,
            eye_width=1.02,
            eye_height=1.19,
            brow_drop=-2.5,
            brow_height=1.66,
            nose_drop=3.8,
            nose_width=1.27,
            nose_height=0.93,
            mouth_drop=4.52,
            mouth_width=1.34,
            mouth_height=1.4,
            jaw=10.81,
            cheeks=-5.62,
            chin=6.31,
            forehead=10.52,
            brightness=0.95,
            warmth=-0.12,
            colour=0.89,
            beard=0.51,
            glasses=True,
        ),
        "m-1004",
    ),
    Person(
        "daria",
        Alteration(
            eye_gap=7.44,
            eye_drop=0.73,
            eye_width=1.09,
            eye_height=0.75,
            brow_drop=-4.63,
            brow_height=1.16,
            nose_drop=2.2,
            nose_width=0.86,
            nose_height=1.09,
            mouth_drop=-4.76,
            mouth_width=0.89,
            mouth_height=1.15,
            jaw=-4.32,
            cheeks=-0.33,
            chin=5.68,
            forehead=-7.36,
            brightness=1.11,
            warmth=0.23,
            colour=1.14,
            mirrored=True,
        ),
        "m-1005",
    ),
    Person(
        "stranger-1",
        Alteration(
            eye_gap=6.06,
            eye_drop=2.27,
            eye_width=0.85,
            eye_height=1.05,
            brow_drop=-4.21,
            brow_height=1.31,
            nose_drop=-2.99,
            nose_width=0.69,
            nose_height=0.82,
            mouth_drop=1.22,
            mouth_width=1.15,
            mouth_height=0.96,
            jaw=4.09,
            cheeks=-1.72,
            chin=-7.13,
            forehead=-3.8,
            brightness=0.89,
            warmth=0.22,
            colour=0.5,
        ),
    ),
    Person(
        "stranger-2",
        Alteration(
            eye_gap=6.88,
            eye_drop=4.11,
            eye_width=1.19,
            eye_height=1.17,
            brow_drop=-2.26,
            brow_height=0.84,
            nose_drop=1.68,
            nose_width=1.21,
            nose_height=1.27,
            mouth_drop=-2.71,
            mouth_width=0.87,
            mouth_height=1.53,
            jaw=0.04,
            cheeks=0.28,
            chin=4.28,
            forehead=-11.77,
            brightness=0.71,
            warmth=0.22,
            colour=0.51,
            mirrored=True,
        ),
    ),
    Person(
        "stranger-3",
        Alteration(
            eye_gap=7.09,
            eye_drop=1.54,
            eye_width=1.28,
            eye_height=1.2,
            brow_drop=-2.08,
            brow_height=1.35,
            nose_drop=-2.24,
            nose_width=1.09,
            nose_height=1.24,
            mouth_drop=-3.13,
            mouth_width=0.82,
            mouth_height=1.46,
            jaw=-0.42,
            cheeks=-4.39,
            chin=-3.01,
            forehead=-4.71,
            brightness=1.31,
            warmth=0.04,
            colour=1.23,
        ),
    ),
)
"""Everybody who walks in. Four are enrolled; Daria is a member who did not agree to that."""
