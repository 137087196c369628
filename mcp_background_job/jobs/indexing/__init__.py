"""The index of jobs: kept in step with the directories, and tidied."""
