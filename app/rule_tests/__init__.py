"""``foretide test``: operators' golden tables of decisions, played through the code that decides live."""
