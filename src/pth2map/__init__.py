"""From detector weights to mAP: the library under the pth2map workflow.

Layers, each importing only from those before it: ``geometry``, ``files``, ``networks``, ``recipes``, ``datasets``,
``evaluation``, ``engines``, ``export``, ``plots``, ``config``. None of them knows Snakemake.
"""

__version__ = "0.1.0.dev0"
