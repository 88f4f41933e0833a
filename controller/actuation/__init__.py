"""What is written to somebody else's autoscaler, in which steps, and how all of it comes back: no I/O.

``stamp`` is what stands in the annotations, ``ramp`` how far one step goes, ``holds`` what forbids one, ``step`` the
next write towards what is wanted, ``giving_back`` the next one towards what was there before us, ``flapping`` when to
stop.
"""
