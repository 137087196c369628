"""Start with ``python -m tests.comfyui_simulator``."""

from tests.comfyui_simulator.app import main

if __name__ == "__main__":
    main()
