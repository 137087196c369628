"""Texts that ComfyUI writes into the files it makes: the prompt that made a file, and the workflow it is from."""
