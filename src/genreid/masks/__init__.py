"""Images -> person masks on disk (an offline stage)."""
