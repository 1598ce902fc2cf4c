"""Files the program ships: network weights with their manifest and cards, bundled cases."""

from pathlib import Path

ASSETS = Path(__file__).parent
