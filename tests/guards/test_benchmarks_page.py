"""Every figure of benchmarks/README.md is the one in its file."""

from benchmarks.summary import PAGE, page


def test_the_benchmarks_page_says_what_the_files_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "type `.venv/bin/python -m benchmarks.summary`"
