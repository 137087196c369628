"""The page that shows everything, in a browser or in a chat: static files, and one call over two carriers."""
