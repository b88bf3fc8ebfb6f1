"""Run by the environment's own Python, at its final path, before it is published. Touches no GPU and no network."""

import fastapi
import orjson
import prometheus_client
import pydantic
import torch
import transformers
import uvicorn

assert torch.backends.cuda.is_built(), "this is a CPU build of PyTorch"


class Question(pydantic.BaseModel):
    """What the service would be asked."""

    text: str


app = fastapi.FastAPI()


@app.post("/answer")
def answer(question: Question) -> dict:
    """Return what was asked."""
    return {"text": question.text}


assert "/answer" in app.openapi()["paths"], "FastAPI and pydantic do not fit together"
assert orjson.loads(orjson.dumps(answer(Question(text="x")))) == {"text": "x"}
print("torch", torch.__version__, "transformers", transformers.__version__, "fastapi", fastapi.__version__)
print("uvicorn", uvicorn.__version__)
