"""Events to figures; knows the log, never an engine."""
