"""The lab's convolution as the Python that computes it again."""

from __future__ import annotations

from explorer.convolution.arithmetic import Convolution, Floats
from explorer.convolution.entry import format_cells

_MOST_WRITTEN_CELLS = 400


def as_python(conv: Convolution) -> str:
    """A few lines that anyone can run; only an input too large to be written out is left to be read from a file."""
    if conv.x.size > _MOST_WRITTEN_CELLS:
        shape = "×".join(str(n) for n in conv.x.shape)
        x = f'numpy.load("input.npy")  # the {shape} input of the lab'
    else:
        x = _literal(conv.x)
    arguments = ["x", "kernel", f"bias={_literal(conv.bias)}"]
    arguments += [f"{name}={getattr(conv, name)}" for name in ("stride", "padding", "dilation")]
    if conv.groups > 1:
        arguments.append(f"groups={conv.groups}")
    if conv.padding_mode != "zeros":
        arguments.append(f'padding_mode="{conv.padding_mode}"')
    if conv.activation:
        arguments.append(f'activation="{conv.activation}"')
    imports = (
        "import explorer\n" if conv.x.size <= _MOST_WRITTEN_CELLS else "import numpy\n\nimport explorer\n"
    )
    call = ",\n    ".join(arguments)
    return (
        f"{imports}\nx = {x}\nkernel = {_literal(conv.kernel)}\nconv = explorer.convolve(\n    {call},\n)\n"
        "print(conv.output)\nprint(conv.windows[0].products, conv.windows[0].sum)\n"
    )


def _literal(values: Floats, indent: int = 0) -> str:
    if values.ndim == 1:
        return f"[{', '.join(format_cells(values[None])[0])}]"
    lines = ",\n".join(" " * (indent + 4) + _literal(part, indent + 4) for part in values)
    return f"[\n{lines},\n{' ' * indent}]"
