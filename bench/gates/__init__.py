"""What can be measured: gates that take mail on one port and bring it to the sink."""

from bench.gates.base import Gate

__all__ = ["Gate"]
