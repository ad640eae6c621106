"""The commands, one file each: parsing and wiring only."""
