"""Tables as CSV (RFC 4180). A cell that a spreadsheet would compute is quoted as text."""

import csv
import io
from collections.abc import Iterable, Sequence

from fastapi.responses import Response

from varco_console.web.formula_marks import as_text


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file of this name to be downloaded."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([as_text(cell) for cell in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
