"""Run by the environment's own Python, at its final path, before it is published."""

import einops
import numpy
import pandas
import safetensors.numpy
import torch_sim

assert torch_sim.cuda_version(), f"this is the {torch_sim.build} build of the simulated torch"
assert float(numpy.linalg.det(numpy.eye(3))) == 1.0, "linear algebra computes nonsense"
assert pandas.DataFrame({"x": [1, 2, 3]})["x"].sum() == 6, "pandas cannot add"
assert einops.rearrange(numpy.zeros((2, 3)), "a b -> b a").shape == (3, 2), "einops does not see numpy"
assert safetensors.numpy.load(safetensors.numpy.save({"x": numpy.ones(2)}))["x"].sum() == 2, "safetensors is broken"
print("numpy", numpy.__version__, "pandas", pandas.__version__, "torch (simulated)", torch_sim.build)
