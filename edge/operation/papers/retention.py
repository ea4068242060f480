"""The table of what is kept where and for how long. Whoever keeps a new thing adds a row. Pure."""

from edge.operation.lifetimes import ADDRESS_BITS, EQUIPMENT_H, NAMES_MIN, PICTURE_S
from edge.operation.papers.facts import Facts
from edge.operation.papers.paper import Both, Paper, Table
from edge.sections import RecognitionMode
from edge.storage.radar_samples import KEPT_MAX

TITLE = Both("Сроки хранения", "Retention")
HEADS = (Both("Что", "What"), Both("Где", "Where"), Both("Как долго", "How long"))
MEMORY = Both("память процесса датчика", "memory of the sensor's process")
SEALED = Both(
    "зашифрованная база, ключом участника", "encrypted database, under the member's own key"
)
DATABASE = Both("зашифрованная база", "encrypted database")

Row = tuple[Both, Both, Both]

OPT_OUT: Row = (
    Both("отказ от подсчёта: ключевой хеш и дата", "opt-out: a keyed hash and the date"),
    DATABASE,
    Both("до отзыва отказа", "until it is taken back"),
)

CALIBRATION: Row = (
    Both(
        "число людей по камерам при числе телефонов (для поправки)",
        "how many people cameras saw beside how many phones (to calibrate)",
    ),
    DATABASE,
    Both(
        f"{KEPT_MAX} последних окон каждого радара", f"the newest {KEPT_MAX} windows of each radar"
    ),
)
EQUIPMENT: Row = (
    Both(
        f"оборудование рядом: ключевой хеш адреса от изготовителя, из {ADDRESS_BITS} бит",
        f"machines nearby: {ADDRESS_BITS} bits of a keyed hash of an address that a maker gave",
    ),
    MEMORY,
    Both(
        f"до {EQUIPMENT_H} ч или до перезапуска",
        f"{EQUIPMENT_H} h at most, or to the next restart",
    ),
)
SURVEYED: Row = (
    Both(
        "имена, придуманные телефонам, пока техник смотрит, что слышит приёмник",
        "names made up for phones while a technician looks at what a radar hears",
    ),
    Both(
        "память процесса датчика; последний снимок - память ядра",
        "memory of the sensor's process; of the newest picture, the core's",
    ),
    Both(
        f"до {NAMES_MIN} мин; снимок {PICTURE_S} с",
        f"{NAMES_MIN} min at most; the picture {PICTURE_S} s",
    ),
)


def retention(facts: Facts, language: str) -> Paper:
    """In one language."""
    rows = [*_of_radars(facts), *_of_cameras(facts), *_of_hotspots(facts), *_of_members(facts)]
    said = tuple(tuple(cell.said(language) for cell in row) for row in rows)
    heads = tuple(head.said(language) for head in HEADS)
    title = f"{facts.store}: {TITLE.said(language)}"
    return Paper("table", language, title, (Table(heads, said),))


def _of_radars(facts: Facts) -> list[Row]:
    if not facts.radars:
        return []
    key_h = max(radar.key_lifetime_s for radar in facts.radars) // 3600
    bits = max(radar.hash_bits for radar in facts.radars)
    rows: list[Row] = [
        (
            Both("адрес телефона, имя сети, элементы кадра", "a phone's address, network names"),
            MEMORY,
            Both("мгновение приёма; затем затирается", "the moment of hearing; then overwritten"),
        )
    ]
    rows += [
        (
            Both(f"номер телефона из {bits} бит ({r.sensor})", f"{bits}-bit number ({r.sensor})"),
            MEMORY,
            Both(f"до конца окна, {r.window_s} с", f"to the end of the window, {r.window_s} s"),
        )
        for r in facts.radars
    ]
    return [
        *rows,
        (
            Both("ключ этих номеров", "the key of these numbers"),
            Both("только оперативная память", "memory only"),
            Both(f"{key_h} ч или до перезапуска", f"{key_h} h, or to the next restart"),
        ),
        (
            Both(
                f"число телефонов за окно (меньше {facts.cell_min} не сообщается)",
                f"phones per window (fewer than {facts.cell_min} are not told)",
            ),
            DATABASE,
            Both("до подтверждения платформой", "until the platform has acknowledged it"),
        ),
        CALIBRATION,
        EQUIPMENT,
        SURVEYED,
        OPT_OUT,
    ]


def _of_cameras(facts: Facts) -> list[Row]:
    if not facts.cameras:
        return []
    picture = (
        Both("кадры камер", "pictures of cameras"),
        MEMORY,
        Both("мгновение обработки", "the moment of looking at them"),
    )
    if facts.faces is RecognitionMode.OFF:
        return [picture]
    stranger = (
        Both("вектор лица неизвестного", "the vector of a stranger's face"),
        Both("память", "memory"),
        Both(
            "пока человек в кадре, не дольше 30 с; затем затирается",
            "while they are in view, 30 s at most; then overwritten",
        ),
    )
    template = (
        Both("шаблон лица участника", "a member's face template"),
        SEALED,
        Both(
            f"до отзыва согласия; без связи с платформой не сравнивается через {facts.lease_h} ч",
            f"until consent is withdrawn; not matched after {facts.lease_h} h without the platform",
        ),
    )
    return [picture, stranger, template]


def _of_hotspots(facts: Facts) -> list[Row]:
    if not facts.hotspots:
        return []
    days = facts.binding_days
    return [
        (
            Both(
                "телефон участника, вошедшего в Wi-Fi: ключевой хеш, запечатанный адрес и"
                " отметка, что телефон его",
                "the phone of a member who logged in: a keyed hash, the sealed address and whether"
                " it was seen to be theirs",
            ),
            SEALED,
            Both(
                f"{days} дней после входа, или до отзыва согласия",
                f"{days} days after each login, or until consent is withdrawn",
            ),
        )
    ]


def _of_members(facts: Facts) -> list[Row]:
    return [
        (
            Both("профиль участника", "a member's profile"),
            SEALED,
            Both("до выхода из программы", "until they leave the programme"),
        ),
        (
            Both(
                f"посещение (закрыто через {facts.visit_silence_s} с тишины)",
                f"a visit (closed after {facts.visit_silence_s} s of silence)",
            ),
            DATABASE,
            Both(
                f"{facts.visits_days} дней; связь с участником - не дольше, чем он в программе",
                f"{facts.visits_days} days; its link to a member until they are erased, if sooner",
            ),
        ),
        (
            Both("заказ", "an order"),
            DATABASE,
            Both(
                f"{facts.orders_days} дней; связь с участником - не дольше, чем он в программе",
                f"{facts.orders_days} days; its link to a member until they are erased, if sooner",
            ),
        ),
        *_of_consents(facts),
    ]


def _of_consents(facts: Facts) -> list[Row]:
    return [
        (
            Both(
                "журнал согласий: вид, время, версия текста, канал, свидетель",
                "the log of consents: kind, time, version of the text, channel, witness",
            ),
            DATABASE,
            Both(
                f"{facts.consent_log_days} дней; после удаления участника - без имени, под"
                " ключевым хешем",
                f"{facts.consent_log_days} days; once a member is erased without a name, under a"
                " keyed hash",
            ),
        ),
        (
            Both("кто удалён навсегда: ключевой хеш", "who was erased for good: a keyed hash"),
            DATABASE,
            Both("бессрочно, чтобы не вернулся", "for good, so that they do not come back"),
        ),
    ]
