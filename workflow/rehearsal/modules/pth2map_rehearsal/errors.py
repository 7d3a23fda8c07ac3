"""Refusals of the rehearsed atc, in the form atc prints them: a code, what is wrong, and a way out."""


class AtcError(Exception):
    """The text of a failed run, as it goes to stdout below the verdict."""


class CommandLineError(Exception):
    """A command line that is none: each argument is a line for stderr, and no code goes with it."""


def coded(code: str, message: str, solution: str) -> AtcError:
    return AtcError(f"{code}: {message}\n        Solution: {solution}")


def invalid(parameter: str, value: str, reason: str, solution: str = "Give another value.") -> AtcError:
    """E10001, in the words of CANN's atc up to ``reason``."""
    return coded("E10001", f"Value [{value}] for parameter [{parameter}] is invalid. Reason: {reason}", solution)


def not_rehearsed(what: str) -> AtcError:
    """The real atc may well take it. No code: no refusal of atc may be mistaken for this one."""
    return AtcError(f"REHEARSAL: {what} is not rehearsed; only CANN's own atc can take it.")


def unknown_error(reason: str) -> AtcError:
    """E19999, which atc gives where no other code is known."""
    return AtcError(f"E19999: Inner Error!\n        An unknown error occurred. {reason}")
