"""The fact sheet for the data protection impact assessment (DPIA): what runs here, as configured.

It states facts and weighs nothing: the assessment itself is the operator's. Pure.
"""

from edge.operation.papers.facts import Facts, channels_of, gate_of, hours_of
from edge.operation.papers.paper import Block, Both, Bullets, Paper, Table
from edge.sections import RecognitionMode

TITLE = Both("Сведения для оценки воздействия (DPIA)", "Facts for the impact assessment (DPIA)")
HEADS = (
    Both("Приёмник", "Radar"),
    Both("Часы", "Hours"),
    Both("Порог", "Gate"),
    Both("Каналы", "Channels"),
    Both("Окно", "Window"),
)
MEASURES = (
    Both(
        "Приёмники только слушают: они ничего не передают в эфир.",
        "Radars only listen: they transmit nothing.",
    ),
    Both(
        "Вне часов работы кадры отбрасываются, не глядя на адрес.",
        "Outside the hours frames are dropped without a look at their address.",
    ),
    Both(
        "Каждый запуск приёмника записывается на платформе вместе с часами, порогом и каналами.",
        "Each start of a radar is on record at the platform, with hours, gate and channels.",
    ),
    Both(
        "Дамп памяти процесса датчика невозможен, освобождённая память затирается.",
        "A sensor's process leaves no image of its memory; what it frees is overwritten.",
    ),
    Both(
        "Ответ на запрос о данных: storebox wifi access.",
        "What is held on an address is answered by: storebox wifi access.",
    ),
)


def assessment(facts: Facts, language: str) -> Paper:
    """In one language."""
    who = Both(
        f"Оператор: {facts.operator}. Контакт: {facts.contact}. Получатель: платформа за"
        f" {facts.recipient}.",
        f"Operator: {facts.operator}. Contact: {facts.contact}. Recipient: the platform behind"
        f" {facts.recipient}.",
    )
    lines = (who, _purpose(facts), *_recognition(facts), _errors(facts), *_limits(facts))
    said = (line.said(language) for line in lines)
    measures = Bullets(tuple(line.said(language) for line in MEASURES))
    title = f"{facts.store}: {TITLE.said(language)}"
    return Paper("sheet", language, title, (*said, *_radars(facts, language), measures))


def _purpose(facts: Facts) -> Both:
    return Both(
        "Цель: число посетителей по времени. Меньше чем о"
        f" {facts.cell_min} телефонах не сообщается.",
        "Purpose: how many visitors there are, over time. Fewer than"
        f" {facts.cell_min} phones are not told.",
    )


def _recognition(facts: Facts) -> list[Both]:
    basis = facts.legal_basis or "-"
    cameras = ", ".join(facts.cameras) or "-"
    lines = [
        Both(
            f"Камеры: {cameras}. Распознавание лиц: {facts.faces.value}. Основание: {basis}. Без"
            f" связи с платформой - не дольше {facts.lease_h} ч.",
            f"Cameras: {cameras}. Recognition of faces: {facts.faces.value}. Legal basis: {basis}."
            f" Without the platform for {facts.lease_h} h at most.",
        )
    ]
    if facts.hotspots:
        names, days = ", ".join(facts.hotspots), facts.binding_days
        lines.append(
            Both(
                f"Вход в Wi-Fi ({names}): узнают участников с согласием «Wi-Fi»; адрес телефона"
                f" хранится {days} дней, запечатанный ключом участника.",
                f"Logins to the Wi-Fi ({names}): members with the consent to Wi-Fi are recognised;"
                f" the phone's address is kept for {days} days, sealed with the member's key.",
            )
        )
    if facts.radars_elsewhere:
        listed = ", ".join(facts.radars_elsewhere)
        lines.append(
            Both(
                f"Приёмники других устройств магазина описаны в их сведениях: {listed}.",
                f"Radars of other boxes of the shop are in the sheets of those: {listed}.",
            )
        )
    return lines


def _errors(facts: Facts) -> Both:
    """How often somebody may be taken for somebody else, by the configured thresholds."""
    wrong, guessed = f"{1 - facts.identified:.3%}", f"{1 - facts.suggested:.3%}"
    return Both(
        f"Посетителя считают узнанным при вероятности от {facts.identified:g}: ожидаемая доля"
        f" ошибок не больше {wrong}. Сотруднику подсказывают от {facts.suggested:g}: не больше"
        f" {guessed}. Лицо называет не больше {facts.target_fpir:.3%} посторонних. Ожидаемые и"
        " исправленные сотрудниками ошибки за 30 дней: storebox visits rates.",
        f"A visit is taken for a member's at a probability of {facts.identified:g}: at most"
        f" {wrong} are expected to be wrong. It is suggested to staff from {facts.suggested:g} on:"
        f" at most {guessed}. A face gives a name to {facts.target_fpir:.3%} of strangers at most."
        " What was expected and what staff corrected in 30 days: storebox visits rates.",
    )


def _limits(facts: Facts) -> list[Both]:
    """What recognition by face cannot do, which whoever answers for it has to know."""
    if not facts.cameras or facts.faces is RecognitionMode.OFF:
        return []
    return [
        Both(
            "Узнают только взрослых (18+), которые сами согласились; возраст, пол и настроение не"
            " определяются. Узнавание по лицу никогда не единственный способ получить услугу и"
            " ничего не оплачивает.",
            "Only adults (18+) who agreed themselves are recognised; age, sex and mood are not"
            " determined. A face is never the only way to a service, and pays for nothing.",
        ),
        Both(
            "Фотография или экран телефона могут обмануть плоскую камеру: проверки лишь превращают"
            " «узнан» в «покажите карту». Ошибки неодинаково часты у разных групп людей; порог"
            " поставлен по худшей из измеренных.",
            "A photograph or a phone's screen may deceive a flat camera: the checks only turn"
            " 'recognised' into 'show your card'. Errors are not equally frequent among groups of"
            " people; the threshold is set for the worst of those that were measured.",
        ),
    ]


def _radars(facts: Facts, language: str) -> list[Block]:
    if not facts.radars:
        none = Both("Своих приёмников Wi-Fi нет.", "This box has no Wi-Fi radars of its own.")
        return [none.said(language)]
    rows = tuple(
        (
            f"{radar.sensor} ({radar.kind})",
            hours_of(radar).said(language),
            gate_of(radar).said(language),
            channels_of(radar).said(language),
            f"{radar.window_s} s; {radar.hash_bits} bit; {radar.key_lifetime_s} s",
        )
        for radar in facts.radars
    )
    return [Table(tuple(head.said(language) for head in HEADS), rows)]
