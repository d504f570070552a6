"""Says before deployment what a configuration will need and how long the board will last: docs/planner.md.

Pure functions of a configuration (filled in, as `host.check` gives it) and a board file; one file per topic: `duty`
(what happens in a day), `flash`, `ram`, `stall`, `upload`, `energy`; `plan` puts them together, `propose` finds the
nearest configuration that works, `report` prints.
"""

from host.planner.plan import Plan, plan

__all__ = ["Plan", "plan"]
