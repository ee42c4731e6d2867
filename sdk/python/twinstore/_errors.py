"""What is raised, by what its caller does next."""


class Error(Exception):
    """Something that twinstore could not do. Its text is one sentence: what, where, and what to do."""


class InputError(Error):
    """The same call fails again until its arguments, a definition or a setting is corrected."""


class TransientError(Error):
    """The same call may succeed later: another writer won, or a service or a disk was not ready."""


class FatalError(Error):
    """Something stored is not what was written, or an invariant is broken: stop, and look."""


class NaiveTimeWarning(UserWarning):
    """Times without a zone were read as UTC."""
