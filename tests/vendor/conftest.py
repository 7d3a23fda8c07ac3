"""The rehearsal's modules, which lie outside the library."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/rehearsal/modules"))
