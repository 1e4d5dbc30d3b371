"""What people look at: a run as a page, and as a trace for trace viewers."""
