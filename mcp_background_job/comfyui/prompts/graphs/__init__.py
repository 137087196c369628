"""What is submitted: a graph, where it comes from, and what is changed in it. Pure, but for the files that are read."""
