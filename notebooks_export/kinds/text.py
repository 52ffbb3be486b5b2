"""Words alone: what somebody writes between the results."""

from __future__ import annotations

from notebooks_export.kinds.kind import Kind
from notebooks_export.kinds.parameters import Parameters

KINDS = (Kind("text", Parameters, lambda given: []),)
