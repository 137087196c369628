"""The rules about a ComfyUI that somebody else started: who looks after it, and how it is started again."""
