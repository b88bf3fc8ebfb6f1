"""Run by the environment's own Python, at its final path, before it is published.

It touches no GPU: the host's may be busy with a job, or there may be none. It asks that the CUDA build is there
and loads.
"""

import pandas
import pyarrow
import sklearn
import torch
import torchvision
import transformers

assert torch.backends.cuda.is_built(), "this is a CPU build of PyTorch"
x = torch.ones(8, 8, requires_grad=True)
(x @ x).sum().backward()
assert x.grad is not None and float(x.grad[0, 0]) == 16.0, "autograd computes nonsense"
print("torch", torch.__version__, "cuda", torch.version.cuda, "torchvision", torchvision.__version__)
print("transformers", transformers.__version__, "pandas", pandas.__version__, "pyarrow", pyarrow.__version__)
print("scikit-learn", sklearn.__version__)
