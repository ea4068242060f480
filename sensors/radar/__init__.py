"""The radar: what every route (`sensors/wifi.py`, `tzsp.py`, ...) does with a frame it has heard.

`record` is the one record of all routes, `radar` takes it and gives numbers, `counter` (pure)
is how devices are told apart. `listening` is the loop over local radios; nothing else in here
opens a device. `survey` and `surveying` show a technician what is heard.
"""
