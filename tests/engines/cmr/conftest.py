"""One small simulated patient that several tests share."""

from pathlib import Path

import pytest

from engines.simulation.cmr.case import simulate_cmr_case


@pytest.fixture(scope="session")
def simulated_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_cmr_case(1, tmp_path_factory.mktemp("cmr") / "case", spacing_mm=1.7)
