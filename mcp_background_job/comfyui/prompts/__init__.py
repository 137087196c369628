"""Single prompts: submitted, found, watched, cancelled, diagnosed."""
