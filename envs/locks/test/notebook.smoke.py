"""Run by the environment's own Python, at its final path, before it is published. Opens no port and no display."""

import io

import ipykernel
import jupyterlab
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.linalg
import seaborn
import sklearn.linear_model

solved = scipy.linalg.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 4.0]))
assert np.allclose(solved, [1.0, 1.0]), "LAPACK computes nonsense"
assert abs(sklearn.linear_model.LinearRegression().fit([[0], [1]], [0, 2]).coef_[0] - 2) < 1e-9
pd.DataFrame({"x": [1, 2]}).plot()
picture = io.BytesIO()
plt.savefig(picture, format="png")
assert picture.getvalue().startswith(b"\x89PNG")
print("jupyterlab", jupyterlab.__version__, "ipykernel", ipykernel.__version__, "numpy", np.__version__)
