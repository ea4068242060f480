"""When two logins to the shop's Wi-Fi are the same one, however they were typed.

Asked wherever a login is turned into its keyed hash, on its way from the platform and from the
hotspot. Pure; keeps nothing.
"""

import re

_PUNCTUATION = re.compile(r"[\s()+.\-]")
PHONE_DIGITS_MIN = 10
RUSSIAN_DIGITS = 11
MOBILE_DIGITS = 10


def normalised(login: str) -> str:
    """A telephone number as its digits, in Russia with 7 in front; anything else in lower case.

    +7 916 123-45-67, 8 (916) 123-45-67 and 9161234567 are one. Empty if nothing is left.
    """
    text = login.strip()
    digits = _PUNCTUATION.sub("", text)
    if not (digits.isascii() and digits.isdigit()) or len(digits) < PHONE_DIGITS_MIN:
        return text.casefold()
    if len(digits) == RUSSIAN_DIGITS and digits.startswith("8") and not text.startswith("+"):
        return "7" + digits[1:]
    if len(digits) == MOBILE_DIGITS and digits.startswith("9"):
        return "7" + digits
    return digits
