"""What the value of an application identifier must hold beyond digits and lengths, by name.

Used by `edge/codes/gs1_rules.py`; the names stand in `edge/codes/gs1_table.py`. Each check takes
the component of the right shape and says whether it holds. Lists of countries and currencies are
not kept here: their owners change them, and nothing in a shop depends on them.
"""

from collections.abc import Callable

from edge.codes.check_digits import gmn_check, has_gs1_check

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_GMN_CHECKS = 2
_GMN_LENGTH_MAX = 25
_IBAN_MODULUS = 97
_LATITUDE_MAX = 180 * 10**7
_LONGITUDE_MAX = 360 * 10**7
"""Degrees in ten-millionths, counted from the south pole and from 180° west."""


def date0(value: str) -> bool:
    """YYMMDD, where day 00 is the last of the month (3.4.2)."""
    return (value[4:] == "00" and _is_month(value[2:4])) or date(value)


def date(value: str) -> bool:
    """YYMMDD of a day that exists; a year 00 is 2000 or 2100 and taken for a leap year."""
    return _is_month(value[2:4]) and _is_day(int(value[:2]), int(value[2:4]), int(value[4:]))


def birth(value: str) -> bool:
    """YYYYMMDD."""
    year = int(value[:4])
    leap = year if year % 100 or year % 400 == 0 else 1
    return year > 0 and _is_month(value[4:6]) and _is_day(leap, int(value[4:6]), int(value[6:]))


def hhmm(value: str) -> bool:
    """A time of day."""
    return value < "2400" and sixty(value[2:])


def datehour(value: str) -> bool:
    """YYMMDDHH."""
    return date(value[:6]) and value[6:] < "24"


def sixty(value: str) -> bool:
    """Minutes or seconds."""
    return value < "60"


def yesno(value: str) -> bool:
    """0 or 1."""
    return value in "01"


def nonzero(value: str) -> bool:
    """A number that has no leading zero, unless it is one."""
    return value[0] != "0" or value == "0"


def piece(value: str) -> bool:
    """Piece and total, two digits each."""
    return "01" <= value[:2] <= value[2:]


def hyphen(value: str) -> bool:
    """The sign of a temperature below zero."""
    return value == "-"


def percent(value: str) -> bool:
    """Percent signs only in front of two hexadecimal digits."""
    return all(_is_hex(part[:2]) for part in value.split("%")[1:])


def country(value: str) -> bool:
    """Two capital letters."""
    return value.isalpha() and value.isupper()


def latitude(value: str) -> bool:
    """Ten-millionths of a degree north of the south pole."""
    return int(value) <= _LATITUDE_MAX


def longitude(value: str) -> bool:
    """Ten-millionths of a degree east of 180° west."""
    return int(value) <= _LONGITUDE_MAX


def sex(value: str) -> bool:
    """ISO/IEC 5218."""
    return value in "0129"


def sequence(value: str) -> bool:
    """Which birth of how many: `1/2`."""
    child, stroke, children = value[0], value[1], value[2]
    return stroke == "/" and child.isdigit() and children.isdigit() and "1" <= child <= children


def zero_csum(value: str) -> bool:
    """A zero, then 13 digits of which the last checks the others."""
    return value[0] == "0" and has_gs1_check(value)


def iban(value: str) -> bool:
    """ISO 13616: letters as numbers from ten, the first four characters last, modulo 97."""
    turned = value[4:] + value[:4]
    if not (turned.isalnum() and value[:2].isalpha() and value.upper() == value):
        return False
    return int("".join(str(int(c, 36)) for c in turned)) % _IBAN_MODULUS == 1


def gmn(value: str) -> bool:
    """Two check characters at the end (7.9.5)."""
    body = value[:-_GMN_CHECKS]
    return 0 < len(body) <= _GMN_LENGTH_MAX - _GMN_CHECKS and gmn_check(body) == value[len(body) :]


CHECKS: dict[str, Callable[[str], bool]] = {
    "csum": has_gs1_check,
    **{
        check.__name__: check
        for check in (
            *(date, date0, birth, hhmm, datehour, sixty, yesno, nonzero, piece, hyphen, percent),
            *(country, latitude, longitude, sex, sequence, zero_csum, iban, gmn),
        )
    },
}


def _is_month(digits: str) -> bool:
    return "01" <= digits <= "12"


def _is_day(year: int, month: int, day: int) -> bool:
    days = _DAYS[month - 1]
    return 1 <= day <= (days if month != 2 or year % 4 == 0 else 28)


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(c in "0123456789ABCDEFabcdef" for c in digits)
