"""For board-side tests that measure time on a machine that has other things to do, too."""


def on_a_quiet_machine(test):
    """A test that measures time. What other programs spoil by their turns is measured again, up to four times."""

    def measured():
        for _ in range(4):
            try:
                return test()
            except AssertionError:
                pass
        return test()

    return measured


try:
    _schedstat = open("/proc/self/schedstat")  # Linux, Documentation/scheduler/sched-stats.rst
except OSError:
    _schedstat = None


def without_processor_us():
    """-> for how long this process could have run, and the machine was busy with others; 0 where nobody knows."""
    if _schedstat is None:
        return 0
    _schedstat.seek(0)
    return int(_schedstat.read().split()[1]) // 1000
