"""The event log: its records, the journals workers append to, the run directory."""
