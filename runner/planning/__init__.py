"""What a config resolves to before anything starts: draws, plan, steps."""
