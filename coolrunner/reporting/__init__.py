"""Listeners to events: the console in its four forms, and Slack.

`coolrunner.reporting.console.console_listener` makes the console, `coolrunner.reporting.slack.SlackListener`
is Slack, and `coolrunner.reporting.plan.print_plan` prints what ``--dry`` shows.
"""
