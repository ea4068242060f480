"""Check digits and check characters of GS1 and of banks: pure arithmetic on digits.

Used by every module here. Formulas after the GS1 General Specifications 7.9 (modulo 10, price
check characters) and ISO/IEC 7812-1 annex B (Luhn).
"""

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_ZERO = ord("0")
GMN_CHARACTERS = (
    "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
)
"""GS1 character set 82, in its order: places are what check characters are computed from."""
_GMN_CHECKS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_GMN_WEIGHTS = (
    *(83, 79, 73, 71, 67, 61, 59, 53, 47, 43, 41, 37),
    *(31, 29, 23, 19, 17, 13, 11, 7, 5, 3, 2),
)
_GMN_MODULUS = 1021
_VALUE_OF = {character: value for value, character in enumerate(GMN_CHARACTERS)}


def gs1_sum(digits: str) -> int:
    """The weighted sum with the check digit in its place: a multiple of ten if it is right."""
    codes = digits.encode()
    return sum(codes[-1::-2]) + 3 * sum(codes[-2::-2]) - _ZERO * _weights(len(codes))


def has_gs1_check(digits: str) -> bool:
    """Whether the last of these ASCII digits checks the others, weighted 3 and 1 from the right."""
    return gs1_sum(digits) % 10 == 0


def gs1_check(body: str) -> str:
    """The digit to put behind `body`."""
    return str(-gs1_sum(body + "0") % 10)


def passes_luhn(digits: str) -> bool:
    """Every second ASCII digit from the right doubled, the digits of all that added."""
    codes = digits.encode()
    plain = sum(codes[-1::-2]) - _ZERO * ((len(codes) + 1) // 2)
    return (plain + sum(_DOUBLED[code - _ZERO] for code in codes[-2::-2])) % 10 == 0


def gmn_check(body: str) -> str:
    """The pair of check characters of a Global Model Number (7.9.5), for up to 23 characters."""
    weights = _GMN_WEIGHTS[len(_GMN_WEIGHTS) - len(body) :]
    total = sum(_VALUE_OF[c] * weight for c, weight in zip(body, weights, strict=True))
    high, low = divmod(total % _GMN_MODULUS, 32)
    return _GMN_CHECKS[high] + _GMN_CHECKS[low]


def _weights(length: int) -> int:
    return (length + 1) // 2 + 3 * (length // 2)
