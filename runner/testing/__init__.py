"""For authors of queue kinds: the contract that every kind keeps, as a suite of tests."""
