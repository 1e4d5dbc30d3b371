"""User code of the tests whose import never ends."""

import time

while True:
    time.sleep(0.01)
