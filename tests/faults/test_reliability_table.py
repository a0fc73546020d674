"""docs/reliability.md: every row of faults is there, and every test that it names."""

import re

import pytest

from alphabar.errors import Exit
from alphabar.terminal.signals import EXIT, SAVE
from test_docs import ROOT, quoted, rows

TABLE = ROOT / "docs" / "reliability.md"
FAULTS = {cells[0].strip(): cells for cells in rows(TABLE) if len(cells) == 4 and cells[0].strip() != "row"}


@pytest.mark.parametrize("row", list(FAULTS))
def test_every_test_in_the_table_of_faults_exists(row: str) -> None:
    names = quoted(FAULTS[row][-1])
    assert names
    for name in names:
        file, _, function = name.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {re.escape(function)}\(" if function else r"^def test_", text, flags=re.M), name


def test_the_table_has_the_rows_1_to_27_and_each_test_of_a_row_is_in_it() -> None:
    assert {str(row) for row in range(1, 28)} <= set(FAULTS)
    for path in (ROOT / "tests" / "faults").glob("test_row_*.py"):
        row = str(int(path.name.split("_")[2]))
        assert f"faults/{path.name}" in FAULTS[row][-1], path.name


def test_the_statuses_and_signals_are_those_of_the_code() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert all(f"| {int(status)} |" in text for status in Exit)
    assert all(number.name in text for number in (*EXIT, SAVE))
