"""One prompt: submitted, found, watched, cancelled, diagnosed."""
