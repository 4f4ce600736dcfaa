"""The tests of the chart: Helm's own engine renders it, and the real binary runs what was rendered."""

import pytest

from pod import Pod
from promtool import PROMTOOL


@pytest.fixture
def run(tmp_path_factory):
    """Starts what a rendered pod says, and ends it with the test."""
    pods = []

    def start(objects, **kept):
        pods.append(Pod(objects, **kept))
        return pods[-1]

    yield start
    for pod in pods:
        pod.close()


def pytest_configure():
    assert PROMTOOL.exists(), f"{PROMTOOL} is not there: `make helm` puts it there"
