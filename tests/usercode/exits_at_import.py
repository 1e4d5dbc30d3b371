"""User code of the tests whose import ends the process."""

import os

os._exit(0)
