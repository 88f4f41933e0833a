"""What a notification looks like to each kind of receiver: pure, the same bytes each time."""
