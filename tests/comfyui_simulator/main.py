"""Start with ``python main.py`` in this folder, as one starts ComfyUI in its checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
# Otherwise this folder comes first, and its files hide modules of the same names.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

from tests.comfyui_simulator.app import main  # noqa: E402  the path must be right first

if __name__ == "__main__":
    main()
