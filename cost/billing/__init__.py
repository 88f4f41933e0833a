"""Bills in FOCUS 1.0 to 1.2: read, checked against themselves, held against what we modelled, and written by us."""
