import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pth2map.files.errors import InputError
from pth2map.networks.catalogue import NETWORKS, build, entry


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_builds_and_has_the_outputs_it_names(name):
    with torch.inference_mode():
        outputs = build(name).eval()(torch.zeros(1, 3, 32, 32))
    assert len(outputs) == len(entry(name).outputs)


def test_unknown_network_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"'retinaface_resnet5'.*did you mean retinaface_resnet50\?"):
        build("retinaface_resnet5")


def test_the_catalogue_does_not_import_torch():
    source = Path(sys.modules["pth2map"].__file__).parents[1]
    program = "import sys, pth2map.networks.catalogue; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=source)
