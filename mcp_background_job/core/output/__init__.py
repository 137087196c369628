"""What a program wrote, as it reads on a terminal and in an answer."""
