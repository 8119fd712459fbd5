"""The node of docs/write-a-node.md, with a workflow that uses it."""

# node: start
from typing import Annotated

import carrara


@carrara.node("Dim", category="image/adjust", title="Dim Image")
def dim(
    image: Annotated[carrara.Image, "What to dim."],
    amount: Annotated[float, carrara.Range(0, 1, step=0.05), "0 leaves it, 1 is black."] = 0.5,
) -> Annotated[carrara.Image, "The darker picture."]:
    """Make a picture darker."""
    return image * (1 - amount)


# node: end
# use: start
def grey_and_darker(folder: str) -> list[str]:
    """Save a grey picture, dimmed; the files written."""
    engine = carrara.Engine(nodes=[dim], output_dir=folder, device="cpu", cache="off")
    graph = carrara.Graph([dim])
    grey = graph.EmptyImage(width=64, height=64, color=0x808080)
    graph.SaveImage(images=graph.Dim(image=grey, amount=0.25))
    return [str(file) for file in engine.run(graph).files]


# use: end
