"""A real cluster of worker processes, shared by the tests of the engine."""

from collections.abc import Iterator

import pytest
from distributed import Client

from survey.config import EngineSettings
from survey.engine.cluster import connect


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(EngineSettings(workers=2, memory_limit="1GiB")) as client:
        yield client
