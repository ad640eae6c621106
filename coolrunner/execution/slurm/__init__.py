"""Slurm: jobs handed over through submitit, and what became of them."""
