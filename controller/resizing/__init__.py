"""A right-sizing that somebody accepted, applied: one pod first, then the workload with its HPA, and back on harm.

``change`` is the exact patch and its note on the workload, ``stages`` the state machine, pure: a ``case`` and what is
seen in, a case out. ``objects`` looks, ``writes`` writes, ``giving_back`` undoes by the note alone.
"""
