"""Where a job runs: stores keep the files of jobs, places run them."""
