"""What is said over HTTP and the websocket of a ComfyUI server."""
