"""The config language: YAML text to a validated config."""
