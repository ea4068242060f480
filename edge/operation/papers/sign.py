"""The sign for the door: what happens here, and how to say no. Pure."""

from edge.operation.lifetimes import ADDRESS_BITS, EQUIPMENT_H
from edge.operation.papers.facts import Facts, hours_of
from edge.operation.papers.paper import Both, Bullets, Paper
from edge.sections import RecognitionMode

TITLE = Both("Здесь считают посетителей", "Visitors are counted here")


def sign(facts: Facts, language: str) -> Paper:
    """In one language."""
    lines = [*_radars(facts), *_hotspots(facts), *_cameras(facts)]
    nobody = Both("Датчиков, которые замечают людей, нет.", "No sensor here notices people.")
    asked = Both(
        f"Отвечает: {facts.operator}. Вопросы, отказ от подсчёта и сведения о себе: "
        f"{facts.contact}.",
        f"Responsible: {facts.operator}. Questions, opting out, and what is held on you: "
        f"{facts.contact}.",
    )
    return Paper(
        "sign",
        language,
        f"{facts.store}: {TITLE.said(language)}",
        (
            Bullets(tuple(line.said(language) for line in lines or [nobody])),
            *(line.said(language) for line in _ways_out(facts)),
            asked.said(language),
        ),
    )


def _radars(facts: Facts) -> list[Both]:
    if not facts.has_radars:
        return []
    hours = {hours_of(radar) for radar in facts.radars}
    if facts.radars_elsewhere:
        hours.add(
            Both("приёмники других устройств - в свои часы", "those of other boxes at theirs")
        )
    russian, english = ("; ".join(sorted(each.said(of) for each in hours)) for of in ("ru", "en"))
    until = _forgotten(facts)
    return [
        Both(
            f"Приёмники Wi-Fi считают телефоны с включённым Wi-Fi: {russian}.",
            f"Wi-Fi receivers count phones whose Wi-Fi is on: {english}.",
        ),
        Both(
            "Адрес телефона не хранится и не передаётся. Телефон - это случайный номер, который"
            f" забывается {until.ru}; узнать вас по нему нельзя.",
            "The address of a phone is neither kept nor sent. A phone is a random number that is"
            f" forgotten {until.en}, and by which you cannot be recognised.",
        ),
        Both(
            "От адреса, который дал изготовитель (такие у техники и у части телефонов), в памяти"
            f" приёмника не дольше {EQUIPMENT_H} ч остаются {ADDRESS_BITS} бит ключевого хеша,"
            " чтобы не считать технику, которая стоит здесь.",
            "Of an address that the maker gave (machines have such, and some phones)"
            f" {ADDRESS_BITS} bits of a keyed hash stay in the receiver's memory for"
            f" {EQUIPMENT_H} h at most, so that machines that stand here are not counted.",
        ),
    ]


def _forgotten(facts: Facts) -> Both:
    """When the numbers are; how long the counts of other boxes take is not known here."""
    if facts.radars_elsewhere:
        return Both("в конце каждого подсчёта", "at the end of each count")
    minutes = -(-facts.window_s_max // 60)
    return Both(f"не позже чем через {minutes} мин", f"within {minutes} min")


def _hotspots(facts: Facts) -> list[Both]:
    if not facts.hotspots:
        return []
    days = facts.binding_days
    return [
        Both(
            "Участников программы, которые согласились на это, узнают по их входу в Wi-Fi магазина,"
            f" и ещё {days} дней по телефону, с которого они вошли. Согласие можно отозвать.",
            "Members who agreed to it are recognised by their login to the shop's Wi-Fi, and for"
            f" {days} days by the phone they logged in with. They can withdraw that.",
        )
    ]


def _cameras(facts: Facts) -> list[Both]:
    if not facts.cameras:
        return []
    counted = Both(
        "Камеры считают людей. Изображения не сохраняются.",
        "Cameras count people. No picture is stored.",
    )
    match facts.faces:
        case RecognitionMode.OFF:
            how = Both("Лица не распознаются.", "Faces are not recognised.")
        case RecognitionMode.ON_REQUEST:
            how = Both(
                "По лицу узнают только участников программы, которые согласились на это, и только"
                " по их просьбе у экрана.",
                "Only members who agreed to it are recognised by face, and only when they ask for"
                " it at a screen.",
            )
        case RecognitionMode.ZONE:
            how = Both(
                "В отмеченной зоне по лицу узнают участников программы, которые согласились на"
                f" это. Основание: {facts.legal_basis}.",
                "In the marked zone members who agreed to it are recognised by face. Legal basis:"
                f" {facts.legal_basis}.",
            )
    return [counted, how]


def _ways_out(facts: Facts) -> list[Both]:
    if not facts.has_radars:
        return []
    return [
        Both(
            "Не хотите, чтобы вас считали? Выключите Wi-Fi на телефоне, или назовите нам адрес"
            " телефона: он попадёт в список исключений в виде ключевого хеша. Телефон, который"
            " меняет адрес, защищает только выключенный Wi-Fi.",
            "You do not want to be counted? Switch the phone's Wi-Fi off, or tell us the phone's"
            " address: it goes onto the list of exceptions as a keyed hash. A phone that changes"
            " its address is left out only with its Wi-Fi off.",
        )
    ]
