import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

import pth2map
from pth2map.engines.torchscript import quiet_jit
from pth2map.export.graphs import export_graph
from pth2map.export.torchscript import export_torchscript
from pth2map.files.errors import InputError
from pth2map.networks.formula import formula_state_dict
from pth2map.networks.retinaface import RetinaFace

SOURCE = Path(pth2map.__file__).parents[1]


@pytest.fixture(scope="module")
def network():
    network = RetinaFace.mobilenet025()
    network.load_state_dict(formula_state_dict(network, [(r"^body\.stage1\.0\.0\.weight$", 1 / 64)]))
    return network


def test_the_program_equals_the_network_at_other_sizes(network, tmp_path):
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("error")
        export_torchscript(network, tmp_path / "graph.ts", torch.zeros(1, 3, 64, 64))
    assert not network.training
    assert [path.name for path in tmp_path.iterdir()] == ["graph.ts"]
    with quiet_jit():
        program = torch.jit.load(tmp_path / "graph.ts")
    torch.manual_seed(0)
    for shape in [(1, 3, 64, 64), (1, 3, 333, 500), (2, 3, 167, 231), (1, 3, 1, 33)]:
        images = 60 * torch.randn(shape)
        with torch.inference_mode():
            for ours, theirs in zip(network(images), program(images), strict=True):
                torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)


def test_the_program_holds_weights_but_neither_example_nor_paths(network, tmp_path):
    export_torchscript(network, tmp_path / "graph.ts", torch.zeros(1, 3, 320, 320))
    assert (tmp_path / "graph.ts").stat().st_size < 2_100_000  # of which 1.7 MB weights; the example has 1.2 MB
    with zipfile.ZipFile(tmp_path / "graph.ts") as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert str(SOURCE).encode() not in content, name
            assert str(Path(torch.__file__).parent).encode() not in content, name


def test_bytes_depend_neither_on_the_file_name_nor_on_the_folder(tmp_path):
    program = """
import sys, torch
from pathlib import Path
from pth2map.engines.torchscript import quiet_jit
from pth2map.export.graphs import export_graph
from pth2map.export.torchscript import export_torchscript
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())
export_torchscript(network, Path(sys.argv[1]), torch.zeros(1, 3, 8, 8))
"""
    paths = [tmp_path / "a.ts", tmp_path / "folder" / "b.pt"]
    for path in paths:
        subprocess.run([sys.executable, "-c", program, path], check=True, cwd=SOURCE)
    assert paths[0].read_bytes() == paths[1].read_bytes()


class Unsteady(nn.Module):
    """Computes something else each time it is called from Python; a trace cannot follow."""

    calls = 0.0

    def forward(self, images):
        self.calls += 1.0
        return (images + self.calls,)


def test_a_network_that_cannot_be_traced_is_refused(tmp_path):
    with pytest.raises(InputError, match="differs from the network in output 0"):
        export_torchscript(Unsteady(), tmp_path / "graph.ts", torch.zeros(1, 3, 8, 8))
    assert not list(tmp_path.iterdir())


def test_a_network_with_operators_of_its_own_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"network retinamask cannot become torchscript; allowed: onnx$"):
        export_graph("retinamask", tmp_path / "none.pth", "torchscript", "1344", tmp_path / "model.ts")
