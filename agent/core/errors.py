"""Every error that Limner raises on purpose, as one tree.

::

    LimnerError                     something went wrong; exit code 1
    ├── UsageError                  the caller's mistake: wrong argument, unknown id; exit code 2
    │   ├── BadInputError           a file, mapping or query that cannot be used
    │   ├── SettingsError           limner.yaml or an environment variable is wrong
    │   ├── NotAllowedError         the caller may not see what was asked for
    │   └── UnknownIdError          no such user or item in the store
    ├── StoreError                  the store cannot do what was asked
    │   ├── StoreBusyError          another process is writing to it
    │   ├── StoreFullError          no space left where the store lies
    │   ├── IndexBrokenError        the index cannot be read, and must be made anew
    │   └── IndexAwayError          the Chroma server that holds the index does not answer
    ├── IndexMismatchError          the index was made by another embedding model
    ├── CannotRunError              a system of an evaluation cannot run here; it is skipped, the
                                    others go on
    ├── FetchError                  no mirror could give a file that has the right checksum
    └── ModelError                  a model did not give a usable answer
        ├── ModelUnavailableError   unreachable, timed out, 429 or 5xx past the retry budget
        ├── ModelRefusedError       4xx, a wrong key, a refusal: asking again will not help
        │   └── ModelDeclinedError  the model itself would not answer this one question
        ├── ModelAnswerError        answered, but not in the schema asked for, even after repair
        └── BudgetSpentError        the run's --max-cost is reached

Each message is one sentence that says what is wrong and what to do about it: a code of
`messages.yaml` and its arguments.
"""

import zlib
from zipfile import BadZipFile

from limner.core.messages import Message, message_of

UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile, zlib.error)
"""What reading a file of JSON or arrays may raise where it is damaged, cut off, or of another
version.
"""


class LimnerError(Exception):
    """Something went wrong that is not the caller's mistake."""

    exit_code = 1

    def __init__(self, sentence: str | Message = "", /, **args: object) -> None:
        """sentence: a code of the message catalogue, whose arguments follow; a message; or plain
        words.
        """
        self.message = sentence if isinstance(sentence, Message) else message_of(sentence, **args)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message.text

    @property
    def code(self) -> str:
        """Stable name of the kind of error, for programs: UnknownIdError -> unknown_id."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(
            f"_{letter.lower()}" if letter.isupper() else letter for letter in name
        ).lstrip("_")


class UsageError(LimnerError):
    """The caller's mistake."""

    exit_code = 2


class BadInputError(UsageError):
    """A file, mapping or query that cannot be used."""


class NotAllowedError(UsageError):
    """The caller may not see what was asked for."""


class SettingsError(UsageError):
    """limner.yaml or an environment variable is wrong."""


class UnknownIdError(UsageError):
    """No such user or item in the store."""


class StoreError(LimnerError):
    """The store cannot do what was asked."""


class StoreBusyError(StoreError):
    """Another process is writing to the store."""


class StoreFullError(StoreError):
    """No space is left where the store lies."""


class IndexBrokenError(StoreError):
    """The index cannot be read or written; everything in it is derived and can be made anew."""


class IndexAwayError(StoreError):
    """The Chroma server does not answer; what rests on vectors can wait, the rest goes on
    without.
    """


class IndexMismatchError(LimnerError):
    """The index was made by another embedding model."""


class CannotRunError(LimnerError):
    """A system of an evaluation cannot run here: a package is missing, or its matrix would not
    fit.
    """


class FetchError(LimnerError):
    """No mirror could give a file that has the right checksum."""


class ModelError(LimnerError):
    """A model did not give a usable answer."""


class ModelUnavailableError(ModelError):
    """Unreachable, timed out, or 429/5xx past the retry budget."""


class ModelRefusedError(ModelError):
    """Final: 4xx, a wrong key or a refusal."""


class ModelDeclinedError(ModelRefusedError):
    """The model itself would not answer this one question; it may answer the next."""


class ModelAnswerError(ModelError):
    """The answer did not fit the schema, even after one repair."""


class BudgetSpentError(ModelError):
    """The run's cost limit is reached."""
