"""mprun."""
