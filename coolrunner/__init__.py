"""Coolrunner: one YAML file to a finished study.

``python run.py --exp study.yaml`` (or ``coolrunner run``) resolves the experiments of a definition, runs
each safely and appends its results to a YamlLog; ``collect`` and ``filter`` sort those out. A Module needs
nothing from here: its ``main(exp)`` is called with a `coolrunner.experiment.Experiment`.

What a script, a notebook or a Module may want stands here too, and is imported when it is first asked for:
`current_run` and `logger` in a run; `load`, `load_metrics`, `Index` and what compares runs, for results of
all kinds; `ExParser` and its companions for argparse scripts; `create_experiment` and its companions for the
manager; `run_experiments` and its companions for the launcher; `load_project` and `FileLoader` for what Hydra
left.
"""

# Imported by whatever Python starts a script of a checkout, to say whether it is new enough: nothing
# else may be imported here.
__version__ = "0.1.0"

_HOMES = {
    "Experiment": "coolrunner.experiment",
    "current_run": "coolrunner.runs.current",
    "logger": "coolrunner.runs.logger",
    "logger_context": "coolrunner.frontends.context",
    "add_saver": "coolrunner.runs.savers",
    "ArgumentError": "coolrunner.frontends.parsing.parser",
    "ExParser": "coolrunner.frontends.parsing.parser",
    "optional": "coolrunner.frontends.parsing.parser",
    "simpleroot": "coolrunner.frontends.parsing.parser",
    "Index": "coolrunner.results.frames.index",
    "study": "coolrunner.frontends.calling.studies",
    "load": "coolrunner.results.frames.load",
    "load_metrics": "coolrunner.results.frames.metrics",
    "group_repeats": "coolrunner.results.frames.analysis",
    "aggregate": "coolrunner.results.frames.analysis",
    "top": "coolrunner.results.frames.analysis",
    "drop_constant": "coolrunner.results.frames.analysis",
    "compare_groups": "coolrunner.results.frames.analysis",
    "confusion_matrix": "coolrunner.results.frames.figures",
    "parallel_coordinates": "coolrunner.results.frames.figures",
    "FileLoader": "coolrunner.frontends.tracking.tracker",
    "load_project": "coolrunner.frontends.tracking.tracker",
    "process": "coolrunner.frontends.tracking.process",
    "AttrDict": "coolrunner.frontends.launching.variants",
    "VariantLevel": "coolrunner.frontends.launching.variants",
    "load_variant": "coolrunner.frontends.launching.variants",
    "make_variants": "coolrunner.frontends.launching.variants",
    "save_variant": "coolrunner.frontends.launching.variants",
    "update_config": "coolrunner.frontends.launching.variants",
    "affinity_from_code": "coolrunner.frontends.launching.affinity",
    "encode_affinity": "coolrunner.frontends.launching.affinity",
    "make_affinity": "coolrunner.frontends.launching.affinity",
    "quick_affinity_code": "coolrunner.frontends.launching.affinity",
    "run_experiments": "coolrunner.frontends.launching.launcher",
    "ClusterHandler": "coolrunner.frontends.launching.cluster",
    "SlurmHandler": "coolrunner.frontends.launching.cluster",
    "run_on_cluster": "coolrunner.frontends.launching.cluster",
    "createExperiment": "coolrunner.frontends.managing.manager",
    "createManager": "coolrunner.frontends.managing.manager",
    "getExperiment": "coolrunner.frontends.managing.manager",
    "create_experiment": "coolrunner.frontends.managing.manager",
    "create_manager": "coolrunner.frontends.managing.manager",
    "get_experiment": "coolrunner.frontends.managing.manager",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name):  # type: ignore[no-untyped-def] # an annotation would need an import on old Pythons
    if name not in _HOMES:
        raise AttributeError("module 'coolrunner' has no attribute {!r}".format(name))  # noqa: UP032
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():  # type: ignore[no-untyped-def]
    return sorted({*globals(), *_HOMES})
