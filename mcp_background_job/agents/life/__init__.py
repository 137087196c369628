"""What happens to a run, from its start to its end: it is looked at, waited for, answered, cancelled."""
