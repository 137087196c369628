"""Which groups of tools a server offers: a conversation pays for each tool that its model could call."""
