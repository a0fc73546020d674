"""What the server refuses: addresses of other hosts, and routes of Gradio that the page does not need."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy: the browser itself refuses to load anything from another host."""
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}
FETCHES = ("/file=http:", "/file=https:", "/proxy=")
"""Gradio would fetch these addresses for whoever asks."""
UNUSED = ("/component_server",)
"""Routes that the page does not need; this one would keep whatever it is sent in memory."""


class Guard:
    """ASGI middleware around the page."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer 403 to what is refused; add the headers to all other answers."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if any(part in scope["path"].lower() for part in FETCHES + UNUSED):
            await send({"type": "http.response.start", "status": 403, "headers": list(HEADERS.items())})
            return await send({"type": "http.response.body", "body": b"This page does not serve that."})

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS.items()]
            await send(message)

        return await self._app(scope, receive, headed)
