"""Run by the environment's own Python, at its final path, before it is published. Needs no network."""

import numpy
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Question(BaseModel):
    """What a caller asks."""

    values: list[float]


app = FastAPI()


@app.post("/mean")
def mean(question: Question) -> float:
    """The mean of what was sent."""
    return float(numpy.mean(question.values))


assert mean(Question(values=[1, 2, 3])) == 2.0
assert "/mean" in {route.path for route in app.routes}
print("fastapi with", len(app.routes), "routes; uvicorn", uvicorn.__version__)
