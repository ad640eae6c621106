"""The doors for users of Hydra and of experiment_tracker."""
