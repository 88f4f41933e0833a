"""What a change really saved: measured against what would have been, with an interval, never against a promise.

Every method yields ``Measured``: the difference in an hour, by days, with its p10 and p90. Below 0 it cost more.
"""
