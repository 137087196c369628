"""Way in 2: one page on all that runs, in a browser or in a chat, as static files and one call over two carriers."""
