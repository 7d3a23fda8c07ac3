"""Puts the project's ``src/`` on the import path of the command that imports this first.

The commands lie beside this file, so it is found without installation: from a shell, from a rule, under ``--sdm conda``
and when the workflow is a module of another one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
