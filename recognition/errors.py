"""Every error this package raises on purpose.

    RecognitionError                 what went wrong; `hint` says what to do next
    ├── UsageError                   an option, argument or settings file makes no sense (exit code 2)
    ├── SourceError                  a photo, folder or stream cannot be read
    ├── WeightsError                 a model file is missing, broken or refused
    ├── DetectorError                the detector failed on an image
    ├── EncoderError                 the encoder failed on a batch of crops
    ├── CatalogError                 a catalogue file cannot be read as a whole
    ├── DatabaseError                the SKU database cannot be opened, read or written
    │   ├── DatabaseMissingError     there is no SKU database at the given place
    │   ├── DatabaseLockedError      another process is writing to it
    │   ├── DatabaseVersionError     its format comes from a newer (or unknown) release
    │   ├── DatabaseDamagedError     a check sum, length or digest does not hold
    │   └── EncoderMismatchError     its vectors were made by another encoder
    └── OutputError                  a result cannot be written

A foreign error is translated where its library is used, with `raise ... from`. The command line prints
`message` and `hint` once; `--debug` shows the traceback.
"""

from __future__ import annotations


class RecognitionError(Exception):
    """Base of the tree. `message` names the file or frame concerned; `hint` is the next step, or empty."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(RecognitionError):
    """An option, argument or settings file makes no sense."""

    exit_code = 2


class SourceError(RecognitionError):
    """A photo, folder or stream cannot be read."""


class WeightsError(RecognitionError):
    """A model file is missing, broken or refused."""


class DetectorError(RecognitionError):
    """The detector failed on an image."""


class EncoderError(RecognitionError):
    """The encoder failed on a batch of crops."""


class CatalogError(RecognitionError):
    """A catalogue file cannot be read as a whole."""


class DatabaseError(RecognitionError):
    """The SKU database cannot be opened, read or written."""


class DatabaseMissingError(DatabaseError):
    """There is no SKU database at the given place."""


class DatabaseLockedError(DatabaseError):
    """Another process is writing to the SKU database."""


class DatabaseVersionError(DatabaseError):
    """The database's format comes from a newer, or unknown, release."""


class DatabaseDamagedError(DatabaseError):
    """A check sum, length or digest of the database does not hold."""


class EncoderMismatchError(DatabaseError):
    """The database's vectors were made by another encoder than the one in use."""


class OutputError(RecognitionError):
    """A result cannot be written."""
