"""The device side of federated learning without a trusted server; importing it loads nothing else.

`Model`, the chain's model for one's own programs, is loaded when it is first asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers know by its name; `typing` would be one more import
if TYPE_CHECKING:
    from edge_client.model import Model as Model

__version__ = "0.1.0"
__all__ = ["Model", "__version__"]


def __getattr__(name: str) -> object:
    """`Model`, imported now."""
    if name != "Model":
        raise AttributeError(f"module 'edge_client' has no attribute '{name}'")
    from edge_client.model import Model  # noqa: PLC0415 (it loads NumPy and a TFLite runtime)

    return Model
