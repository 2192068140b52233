"""The program as it is, but for its clocks: COMMIT_SECONDS PACE_SECONDS, then the arguments.

The journal is brought to the disk after the first; every window takes longer by the second. On
small products there would be nothing to go on from otherwise, and hardly a moment to disturb.
Ranks meet within --timeout.
"""

import sys
import time

from s2rgb_mpi import __main__
from s2rgb_mpi.output import journal
from s2rgb_mpi.ranks import render, team

team.SECONDS_TO_MEET = 0
journal.COMMIT_SECONDS = float(sys.argv[1])
pace = float(sys.argv[2])
at_full_speed = render.Renderer.render


def slowed(*arguments, **named):
    time.sleep(pace)
    return at_full_speed(*arguments, **named)


setattr(render.Renderer, "render", slowed)  # noqa: B010  mypy takes no assignment to a method
sys.exit(__main__.main(sys.argv[3:]))
