import doctest

from pth2map.files import errors
from pth2map.geometry import priors


def test_the_examples_in_the_docstrings():
    for module in (errors, priors):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
