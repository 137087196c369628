"""A ComfyUI server for tests: with the HTTP and websocket surface, the queue, the races and the wedges of the real one.

It imitates two generations, as recorded in ``tests/comfyui/recordings``: `new` (0.33.0) and `old` (0.3.64). It computes
no models and no images: its nodes only take time, fail, or misbehave.
"""
