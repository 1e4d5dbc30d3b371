"""What is built on runs: comparing one with its simulation, searching for the size that meets a target."""
