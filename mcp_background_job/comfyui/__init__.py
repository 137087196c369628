"""Control of a ComfyUI server, a customer of jobs: pure rules, and its client, journal and process at the edges."""
