"""What the pages draw, by matplotlib: bars in rows, lines, and dots on a square ground.

Imported where a page is written and nowhere else: a machine that only judges has no matplotlib, and start-up no time.
"""

import logging

log = logging.getLogger("matplotlib")
if log.level == logging.NOTSET:
    # Its remarks about folders, fonts and a user's settings are about nothing that is drawn here.
    log.setLevel(logging.ERROR)
