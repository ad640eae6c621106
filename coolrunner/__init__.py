"""Coolrunner: one YAML file to a finished study.

``python run.py --exp study.yaml`` (or ``coolrunner run``) resolves the experiments of a definition, runs
each safely and appends its results to a YamlLog; ``collect`` and ``filter`` sort those out. A Module needs
nothing from here: its ``main(exp)`` is called with a `coolrunner.experiment.Experiment`.
"""

# Imported by whatever Python starts a script of a checkout, to say whether it is new enough: nothing
# else may be imported here.
__version__ = "0.1.0"
