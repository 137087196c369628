"""Texts that ComfyUI writes into the files it makes: the prompt that made a file, and its workflow."""
