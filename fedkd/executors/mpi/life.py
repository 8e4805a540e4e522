"""A rank's life: it joins the others, works, and leaves with them, or ends the job when it fails.

Left to itself, a rank that fails leaves the others waiting for ever, and a killed job says nothing or everything
several times. So a rank above 0 that fails tells rank 0, which ends its own work, says why once, and lets all go.
Only when that takes too long is the job aborted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from fedkd.errors import ConfigurationError
from fedkd.executors.mpi.environment import rank_of_environment
from fedkd.executors.mpi.post import Note, Pause
from fedkd.executors.mpi.world import FAILED, INTERRUPTED, World, join
from fedkd.executors.threads import THREAD
from fedkd.signals import SIGNALS, exit_code

BROKEN, WRONG, SIGNALLED = 1, 2, 128
"""Exit codes; after a signal they are above the last one."""
SECONDS_TO_FINISH, SECONDS_TO_BREAK_OFF, SECONDS_TO_STOP = 60.0, 2.0, 1.0
"""How long rank 0 waits for the others to leave, after success, after a failure, and after a signal."""
SECONDS_TO_BE_HEARD, SECONDS_TO_BE_DISMISSED = 3.0, 30.0
"""How long a rank that fails waits until rank 0 takes its note, and then until rank 0 has ended its own work."""
SECONDS_BETWEEN_ABORTS = 0.3
SECONDS_TO_BE_READ = 0.1
"""A launcher that kills may drop what it has not yet read."""


def run(work: Callable[[World], int | None]) -> NoReturn:
    """Join the other ranks, work, and leave; rank 0's exit code is that of the whole.

    Args:
        work: of this rank; its result is the exit code. Above rank 0 it must go on until ``World.line`` gives None.
    """
    try:
        world = join()
    except ConfigurationError as error:
        _stay_out(f"configuration: {error}")
    _heed_signals(world)
    if world.rank == 0:
        _serve(world, work)
    _follow(world, work)


def _stay_out(text: str) -> NoReturn:
    """End before MPI has started, and with it all that may be starting already."""
    # All ranks will have the same to say, or only one: rank 0 speaks first, and its end is the end of all.
    time.sleep(0.0 if rank_of_environment() == 0 else 1.0)
    _say(text)
    if wire := os.environ.get("PMI_FD"):
        # MPICH's launcher notices no end before the start: the others would wait in MPI_Init for ever.
        os.write(int(wire), f"cmd=abort exitcode={WRONG}\n".encode())
    sys.exit(WRONG)


def _heed_signals(world: World) -> None:
    """Ctrl-C and SIGTERM interrupt rank 0's work once; other ranks pass them on to it and work on."""

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        world.interrupt(number)

    def pass_on(number: int, _: FrameType | None) -> None:
        for heeded in SIGNALS:
            signal.signal(heeded, signal.default_int_handler)
        world.post.tell(Note(INTERRUPTED, {"signal": number}))

    for heeded in SIGNALS:
        signal.signal(heeded, interrupt if world.rank == 0 else pass_on)


def _serve(world: World, work: Callable[[World], int | None]) -> NoReturn:
    """Rank 0."""
    try:
        code, text = work(world) or 0, ""
    except SystemExit as end:
        code, text = _asked(end)
    except KeyboardInterrupt as stop:
        code, text = exit_code(stop), "interrupted"
    except BaseException:
        code, text = BROKEN, f"rank 0: {traceback.format_exc()}"
    world.ignore_signals()
    _say(text)
    gone = world.dismiss(_patience(code))
    if not code and world.complaint is not None:
        code = BROKEN
        _say(world.complaint.values["trace"])
    if not code and not gone:
        code = BROKEN
        _say(f"rank 0: {len(world.others)} others still there after {SECONDS_TO_FINISH:.0f} s; the job is aborted")
    _leave(world, code, gone)


def _follow(world: World, work: Callable[[World], int | None]) -> NoReturn:
    """Any other rank."""
    note = _complaint(world, work)
    world.ignore_signals()
    if note is not None:
        _complain(world, note)
    if world.await_dismissal(SECONDS_TO_BE_DISMISSED):
        world.say_bye()
    elif note is not None:
        _say(note.values["trace"])
    _leave(world, 0 if world.dismissed else BROKEN, world.dismissed)


def _complaint(world: World, work: Callable[[World], int | None]) -> Note | None:
    """Work; what there is to say about a failure. Nobody but rank 0 may end early."""
    try:
        code: int | str | None = work(world)
        if world.dismissed:
            return None
        trace = message = f"ended before the job did, with code {code}"
    except BaseException as error:
        message = f"{type(error).__name__}: {error}"
        trace = traceback.format_exc()
    return Note(FAILED, {"message": message, "trace": f"rank {world.rank}: {trace}"})


def _complain(world: World, note: Note) -> None:
    """Tell rank 0; if it does not listen, say it here and end the job."""
    world.post.offer(note)
    pause, end = Pause(), time.monotonic() + SECONDS_TO_BE_HEARD
    while not world.post.settled() and time.monotonic() < end:
        pause.sleep()
    if not world.post.settled() or 0 in world.post.lost():
        # One rank after the other: several aborts at once have left Open MPI's launcher hanging.
        time.sleep(min(SECONDS_BETWEEN_ABORTS * world.others.index(world.rank), 1.0))
        _say(note.values["trace"])
        _leave(world, BROKEN, False)


def _patience(code: int) -> float:
    """Seconds for the others to leave."""
    if not code:
        return SECONDS_TO_FINISH
    return SECONDS_TO_STOP if code > SIGNALLED else SECONDS_TO_BREAK_OFF


def _asked(end: SystemExit) -> tuple[int, str]:
    """Exit code and text of a SystemExit, as the interpreter sees them."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0, ""
    return BROKEN, str(end.code)


def _say(text: str) -> None:
    if text:
        sys.stdout.flush()
        sys.stderr.write(text.rstrip("\n") + "\n")
        sys.stderr.flush()
        time.sleep(SECONDS_TO_BE_READ)


def _leave(world: World, code: int, together: bool) -> NoReturn:
    """End this process: in order when all do, else with the whole job."""
    from mpi4py import MPI

    sys.stdout.flush()
    sys.stderr.flush()
    if not together:
        world.comm.Abort(code)
    MPI.Finalize()
    if any(thread.name.startswith(THREAD) for thread in threading.enumerate()):
        # A thread that still trains would wake up in an interpreter that is being taken down.
        os._exit(code)
    sys.exit(code)
