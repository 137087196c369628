"""Control of a ComfyUI server, built on the job engine: pure rules; its client, journal and process at the edges."""
