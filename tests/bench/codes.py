"""How long it takes to say what a scanned text means, against biip on the same strings in one run.

Called by the benchmark runner (AREA=scanners). What a shop's scanners read: trade items, marks,
cases, pallets, weighed goods, links, loyalty codes, cards. Coupons are measured apart, because a
signature takes longer than all the rest. biip takes no part in what it does not know.
"""

import time
from random import Random
from typing import Any

from biip import ParseConfig, parse
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.codes import rotating, tokens
from edge.codes.check_digits import gs1_check
from edge.codes.classify import classify
from edge.codes.context import Context, CouponKey, Epoch, Layout, LoyaltyRange, Rules
from edge.codes.meaning import CouponToken, Malformed, Unknown

GOAL_US = 50
CODES = 20_000
BIIP_SHARE = 10
"""biip reads every so manieth of them: it takes a millisecond for each."""
COUPONS = 500
NOW_S = 1_800_000_000


def run() -> list[dict[str, Any]]:
    """The p50 and p99 of one text, in microseconds; the goal is for the p99."""
    random = Random(7)
    signer = Ed25519PrivateKey.from_private_bytes(random.randbytes(32))
    context = Context(shop(random, signer), now_s=NOW_S)
    codes = [code_of(random, context) for _ in range(CODES)]
    meanings = [type(classify(code, context)) for code in codes]
    assert Malformed not in meanings
    assert Unknown not in meanings
    ours = sorted(timed_us(lambda text: classify(text, context), code) for code in codes)
    config = ParseConfig()
    theirs = sorted(
        timed_us(lambda text: parse(text, config=config), c) for c in codes[::BIIP_SHARE]
    )
    coupons = [coupon_of(random, signer) for _ in range(COUPONS)]
    signed = sorted(timed_us(lambda text: classify(text, context), code) for code in coupons)
    return [
        entry(
            "what a scanned text means, p99", quantile(ours, 0.99), quantile(theirs, 0.99), GOAL_US
        ),
        entry("what a scanned text means, p50", quantile(ours, 0.5), quantile(theirs, 0.5)),
        entry("what a coupon with its signature means, p99", quantile(signed, 0.99)),
    ]


def shop(random: Random, signer: Ed25519PrivateKey) -> Rules:
    """A shop with layouts, ranges and keys of every kind."""
    week_s = 7 * 86400
    return Rules(
        loyalty=(LoyaltyRange("gold", "9643000000000000", "9643000000999999"),),
        layouts=(
            Layout("scales", "22IIIIIWWWWWC", "weight", 1000),
            Layout("bakery", "23IIIIIWWWWWC", "price", 100),
        ),
        epochs=tuple(
            Epoch(random.randbytes(32), NOW_S - (n + 1) * week_s, NOW_S - n * week_s + 3600)
            for n in range(4)
        ),
        coupon_keys=(CouponKey("K7", signer.public_key().public_bytes_raw()),),
        store_key=random.randbytes(32),
    )


def code_of(random: Random, context: Context) -> str:
    """One scan, as often of each kind as the others."""
    gtin = checked("0460" + number(random, 9))
    serial = "".join(random.choices("ABCDEFGHJKabcdefghjk0123456789!%/", k=13))
    tail = "".join(random.choices("ABCDEFGHabcdefgh0123456789+/", k=44))
    epoch, member = context.rules.epochs[0], random.randbytes(6)
    match random.randrange(11):
        case 0:
            return gtin[1:]
        case 1:
            return "]E0" + gtin[1:]
        case 2:
            return f"]d201{gtin}21{serial}\x1d91EE06\x1d92{tail}"
        case 3:
            return f"01{gtin}21{serial}91EE0692{tail}"
        case 4:
            return f"]C100{checked('1460' + number(random, 13))}"
        case 5:
            return f"]C101{checked('1460' + number(random, 9))}3103{number(random, 6)}15271231"
        case 6:
            return checked("22" + number(random, 10))
        case 7:
            return f"https://example.org/01/{gtin}/10/A7/21/{number(random, 9)}?17=271231"
        case 8:
            return rotating.make(member, rotating.member_key(epoch, member), NOW_S - 45)
        case 9:
            return "9643000000" + number(random, 6)
    return checked("0" + number(random, 10))


def coupon_of(random: Random, signer: Ed25519PrivateKey) -> str:
    """A coupon as the platform makes it."""
    coupon = CouponToken(
        (), coupon=number(random, 9), coupon_class="C10", home_store="MSK-017", expires_s=NOW_S + 60
    )
    return tokens.make_coupon(coupon, "K7", signer)


def timed_us(work: Any, text: str) -> float:
    """One call; the best of five, for other programs interrupt any of them."""
    best_ns = min(_once_ns(work, text) for _ in range(5))
    return best_ns / 1000


def _once_ns(work: Any, text: str) -> int:
    begun_ns = time.perf_counter_ns()
    work(text)
    return time.perf_counter_ns() - begun_ns


def quantile(ordered: list[float], share: float) -> float:
    """Of values in order."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def entry(
    name: str, value_us: float, baseline_us: float | None = None, goal_us: float | None = None
) -> dict[str, Any]:
    """A figure; the ratio says how many times as long biip takes."""
    return {
        "name": name,
        "value": round(value_us, 1),
        "unit": "us",
        "baseline": baseline_us and round(baseline_us, 1),
        "ratio": baseline_us and round(baseline_us / value_us, 1),
        "goal": goal_us,
        "met": None if goal_us is None else value_us <= goal_us,
    }


def number(random: Random, digits: int) -> str:
    """So many digits."""
    return f"{random.randrange(10**digits):0{digits}}"


def checked(body: str) -> str:
    """With its check digit."""
    return body + gs1_check(body)
