"""What a run says: from the lines of its job to numbered events on disk, and the one that ends it."""
