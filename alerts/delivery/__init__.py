"""What the router says reaches its receiver: kept before it is sent, signed, at least once, in order for each group."""
