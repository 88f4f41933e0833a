"""Who caused which part of what nodes, volumes and load balancers cost, so that the parts add up to the whole."""
