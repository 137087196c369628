"""The events of a run: from the lines of its job to numbered events on disk, and the event that ends it."""
