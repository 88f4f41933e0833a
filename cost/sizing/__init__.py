"""How much a container should ask for: three engines, HPAs in mind, and the rules by which a change is tried."""
