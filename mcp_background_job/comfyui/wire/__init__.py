"""HTTP and websocket communication with a ComfyUI server."""
