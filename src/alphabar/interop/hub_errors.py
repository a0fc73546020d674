"""The errors of huggingface_hub, and of the libraries below it, as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from alphabar.errors import AlphabarError
from alphabar.terminal import printable


def check_installed(source: str) -> None:
    """AlphabarError without huggingface_hub, which reaches `source`."""
    try:
        is_there = find_spec("huggingface_hub") is not None
    except ValueError:  # None in sys.modules
        is_there = False
    if not is_there:
        raise AlphabarError(f"{source} is on the Hub, which needs huggingface_hub: pip install 'alphabar[hub]'.")


def first_line(error: BaseException) -> str:
    """The first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return f"{printable(lines[0]):.160}"


@contextmanager
def sentences(source: str, purpose: str) -> Iterator[None]:
    """Turns whatever goes wrong on the way to `source` into a sentence; purpose: "pushed", "pulled"."""
    try:
        yield
    except AlphabarError:
        raise
    except Exception as error:  # their errors have many classes, which differ between versions
        raise AlphabarError(f"{source} cannot be {purpose}: {_why(error)}") from None


def _why(error: BaseException) -> str:
    """What is wrong, and what would be right. An error may be wrapped in one that only says which file it befell."""
    chain = list(_chain(error))
    names = {each.__name__ for cause in chain for each in type(cause).__mro__}
    status = next((found for cause in chain if (found := status_of(cause)) is not None), None)
    if "OfflineModeIsEnabled" in names:
        return "HF_HUB_OFFLINE is set; unset it to use the network."
    if "GatedRepoError" in names:
        return "its owner grants access on request; ask for it on the model's page."
    if "EntryNotFoundError" in names and "LocalEntryNotFoundError" not in names:
        return "a file that it lists is not there; try again."
    if is_absent(error):
        return "there is no such model on the Hub, or it is private and not visible to your token."
    if status == 401:
        return "the Hub does not accept the token (401); log in with `hf auth login`, or set HF_TOKEN to another one."
    if status == 403:
        return "the token has no right to do that there (403); use one that has, or another owner."
    if status in (409, 412):
        return f"somebody else has changed it meanwhile ({status}); try again."
    if status == 429:
        return "the Hub has had too many requests (429); try again later."
    if status is not None and status >= 500:
        return f"the Hub has a fault ({status}); try again later."
    if status is not None:
        return f"the Hub refuses it ({status}: {_of_server(chain)})."
    if isinstance(chain[-1], OSError) and chain[-1].errno is not None and chain[-1].filename is not None:
        return f"{chain[-1].filename}: {chain[-1].strerror}."
    if names & {"ConnectError", "ConnectionError", "TimeoutException", "Timeout", "NetworkError", "TransportError"}:
        return f"the Hub cannot be reached ({first_line(chain[-1])}); check the connection."
    return f"{first_line(error)}."


def is_absent(error: BaseException) -> bool:
    """Whether the Hub says that there is no such model."""
    return any("RepositoryNotFoundError" in {each.__name__ for each in type(e).__mro__} for e in _chain(error)) or any(
        status_of(cause) == 404 for cause in _chain(error)
    )


def status_of(error: BaseException) -> int | None:
    """The status of HTTP in an error."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _of_server(chain: list[BaseException]) -> str:
    said = (getattr(error, "server_message", None) for error in chain)
    return next((f"{printable(text):.160}" for text in said if isinstance(text, str) and text), first_line(chain[0]))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, down to the first one."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
