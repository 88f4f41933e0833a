"""What the packages hand to each other: frozen types, units, errors, the clock, names.

Takes nothing from any other package of Foretide and does no I/O. Every other package may import it.
"""
