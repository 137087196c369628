"""What a caller asks for: the request, the messages of it and their files, the part that an agent plays."""
