"""docs/generate.py as a module, which lies outside of the package."""

import importlib.util
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "docs" / "generate.py"


def generator():
    """Return it, loaded anew: a test may change what it holds."""
    spec = importlib.util.spec_from_file_location("docs_generate", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
