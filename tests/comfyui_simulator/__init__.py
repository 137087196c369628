"""A ComfyUI server for tests: the HTTP and websocket surface, the queue, the races and the wedges of the real one.

Two generations are imitated, as recorded in ``tests/comfyui/recordings``: `new` (0.33.0) and `old` (0.3.64).
No models and no images are computed; nodes only take time, fail, or misbehave.
"""
