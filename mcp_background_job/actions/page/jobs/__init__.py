"""What pages ask for of jobs, and watch of them and of the machine that they run on."""
