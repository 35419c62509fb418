"""Every figure of docs/results.md is the one in its file."""

from benchmarks.results_table import PAGE, page


def test_the_results_page_says_what_the_files_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "type `.venv/bin/python -m benchmarks.results_table`"
