"""How long what was heard of people is kept, and in how many bits: the limits of the code itself.

Read by the papers and by `access`, in the units of a sentence, so that no such number is typed into
a text. Pure.
"""

from edge.consent import BINDING_MS
from edge.intake import SALT_LIFETIME_S
from edge.showing import SURVEY_S
from sensors.radar.equipment import LIFETIME_MS
from sensors.radar.marks import HASH_BITS
from sensors.radar.surveying import NAMES_S_MAX

ADDRESS_BITS = HASH_BITS
"""Of an address, within a count and of machines."""
KEY_H = SALT_LIFETIME_S // 3600
"""The key of a radar's numbers."""
EQUIPMENT_H = LIFETIME_MS // 3_600_000
"""What a radar has learned of machines."""
NAMES_MIN = round(NAMES_S_MAX / 60)
"""The names of a survey, in the sensor."""
PICTURE_S = round(SURVEY_S)
"""The newest picture of a survey, in the core."""
BINDING_DAYS = BINDING_MS // 86_400_000
"""A member's phone, after each login."""
