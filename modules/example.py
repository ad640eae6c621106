"""The smallest Module that does something: what to copy when writing one of your own."""


def main(exp):
    """Show the parameters, and add up ``exp.numbers``."""
    for name, value in exp.items():
        print(f"    {name}: {value}")
    exp.TOTAL = sum(exp.get("numbers", []))
