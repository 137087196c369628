"""The front end of ComfyUI itself, in a browser: what a conversion is held to. See ``test_templates.py``."""
