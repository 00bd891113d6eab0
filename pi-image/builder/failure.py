"""What went wrong, for people: one message that says what to do. Everything else is a bug and shows its traceback."""

import sys


class Failure(Exception):
    """An end that the user can do something about."""


def report(run):
    """Runs a program's main function, and makes a failure one line and exit code 1."""
    try:
        return run()
    except Failure as failure:
        print(f"{sys.argv[0]}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
