"""The text by which a member agrees to be recognised by face, in both languages and in full.

Shown by the screen and by the staff page; which text it was goes into the consent and to the
platform as its version. The version names the wording, the language, and a hash of all that was
shown, so that not a word can change without it. It decides nothing.
"""

import hashlib

from msgspec import Struct

WORDING = "face-1"
"""To be raised with every change of what the text means."""
HASH_CHARACTERS = 12

_TEXTS = {
    "en": {
        "who": "Who: {operator}.",
        "what": (
            "What: the camera at this screen looks at you for up to a minute. From five moments it"
            " works out a description of your face, a list of numbers. That is biometric data. No"
            " photo and no video is stored or sent anywhere."
        ),
        "why": (
            "What for: to recognise you in this shop when you come again, to greet you at a screen"
            " after you tap there, and to give you your member prices. Nothing is ever paid, and no"
            " points are spent, by your face."
        ),
        "box": (
            "Where: the description is kept encrypted on a computer in this shop and is not sent"
            " anywhere."
        ),
        "chain": (
            "Where: the description is kept encrypted on a computer in this shop, and is sent"
            " encrypted to {operator}, so that other shops of ours can recognise you too."
        ),
        "until": (
            "How long: until you take this consent back or leave the loyalty programme. You can"
            " take it back at any time: at this screen after scanning your card, or by telling a"
            " seller. The description is then deleted at once."
        ),
        "contact": "You can also write to us: {contact}.",
        "free": (
            "You are free to say no. Your card gives you the same prices and the same service."
        ),
        "limits": (
            "It can be wrong: a person who looks like you, or a picture of you, may be taken for"
            " you. That is why nothing of value depends on it."
        ),
    },
    "ru": {
        "who": "Кто: {operator}.",
        "what": (
            "Что: камера у этого экрана смотрит на вас не дольше минуты. По пяти кадрам она"
            " вычисляет описание вашего лица — набор чисел. Это биометрические данные. Ни фото, ни"
            " видео не сохраняются и никуда не передаются."
        ),
        "why": (
            "Зачем: чтобы узнать вас в этом магазине, когда вы придёте снова, поздороваться с вами"
            " на экране, когда вы его коснётесь, и включить цены по карте. По лицу никогда ничего"
            " не оплачивается и не списываются баллы."
        ),
        "box": (
            "Где: описание хранится в зашифрованном виде на компьютере в этом магазине и никуда не"
            " передаётся."
        ),
        "chain": (
            "Где: описание хранится в зашифрованном виде на компьютере в этом магазине и"
            " передаётся в зашифрованном виде компании {operator}, чтобы вас могли узнать и в"
            " других наших магазинах."
        ),
        "until": (
            "Как долго: пока вы не отзовёте это согласие или не выйдете из программы лояльности."
            " Отозвать его можно в любой момент: у этого экрана, отсканировав карту, или сказав"
            " продавцу. Описание тогда сразу удаляется."
        ),
        "contact": "Ещё нам можно написать: {contact}.",
        "free": "Вы можете отказаться. По карте вы получите те же цены и то же обслуживание.",
        "limits": (
            "Ошибки возможны: за вас могут принять похожего человека или вашу фотографию. Поэтому"
            " ничего ценного от распознавания не зависит."
        ),
    },
}


class ConsentText(Struct, frozen=True):
    """One text as it is shown: its paragraphs, and the version by which it is known."""

    version: str
    paragraphs: tuple[str, ...]


def face_text(language: str, *, operator: str, contact: str, sent_up: bool) -> ConsentText:
    """The text in `language` (ru or en). `sent_up`: templates go to the platform, sealed."""
    words = _TEXTS[language]
    order = ["who", "what", "why", "chain" if sent_up else "box", "until"]
    order += ["contact"] if contact else []
    order += ["free", "limits"]
    shown = tuple(words[name].format(operator=operator, contact=contact) for name in order)
    hashed = hashlib.sha256("\n".join(shown).encode()).hexdigest()[:HASH_CHARACTERS]
    return ConsentText(f"{WORDING}-{language}-{hashed}", shown)
