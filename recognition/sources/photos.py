"""Photos become frames: decoded ahead in threads, handed out in order, failures among them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from recognition.errors import SourceError
from recognition.parallel import map_ahead, thread_pool
from recognition.sources.advice import photo_advice
from recognition.sources.decode import read_image
from recognition.sources.inputs import expand_inputs
from recognition.sources.meta import PhotoMeta, match_meta
from recognition.types import Failure, Frame

_NOTHING = PhotoMeta("")
_Photo = tuple[str, PhotoMeta]


def read_photos(
    inputs: Sequence[str],
    meta: Mapping[str, PhotoMeta] | None = None,
    skip: Callable[[str], bool] | None = None,
    ahead: int = 4,
    workers: int = 1,
) -> Generator[Frame | Failure, None, None]:
    """One Frame (index 0), or one Failure (stage `read`), per photo of `inputs`, in the order of `expand_inputs`.

    meta: rows of `read_meta`; what they state wins over EXIF. skip: photos for which it is true are left out
    unread. ahead: most photos decoded before they are asked for, 1 or more; workers: decoding threads.
    Closing the generator drops what is waiting and ends the threads. An error that is not a SourceError is a
    fault of the program: it is raised here, in its photo's turn.
    """
    sources = expand_inputs(inputs)
    rows = match_meta(meta or {}, sources)
    wanted = ((source, rows.get(source, _NOTHING)) for source in sources if skip is None or not skip(source))
    return _frames(wanted, max(ahead, 1), max(workers, 1))


def _frames(wanted: Iterable[_Photo], ahead: int, workers: int) -> Generator[Frame | Failure, None, None]:
    with thread_pool(workers, "read-photos") as pool:
        yield from map_ahead(pool, _read, wanted, ahead)


def _read(photo: _Photo) -> Frame | Failure:
    source, row = photo
    try:
        decoded = read_image(source)
    except SourceError as error:
        return Failure(source, 0, "read", error.message, error.hint)
    return Frame(
        source=source,
        index=0,
        image=decoded.image,
        captured_at=row.captured_at or decoded.captured_at,
        store_id=row.store_id,
        planogram_id=row.planogram_id,
        advice=photo_advice(decoded.image),
        notes=decoded.notes,
    )
