"""What a cluster has and nobody uses, each with its evidence; nothing is ever deleted by Foretide."""
