"""How a program is started whose signals are tested. A shell's background jobs, and what they start, ignore Ctrl-C."""

import signal


def attend():
    """`preexec_fn` of a program in the foreground, however these tests were started."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def ignore():
    """`preexec_fn` of a program in the background."""
    attend()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
