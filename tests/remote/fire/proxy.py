"""A proxy before an object store that delays, cuts and refuses a share of the requests."""

from __future__ import annotations

import asyncio
import random
import sys

from aiohttp import ClientSession, ClientTimeout, web

KINDS = ("delay", "cut", "cut after", "500", "503")
SLOW_DOWN = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
    "<Message>said the proxy</Message><RequestId>1</RequestId></Error>"
)
_HOP = {"transfer-encoding", "connection", "keep-alive", "content-encoding", "content-length"}


class Proxy:
    """Passes requests on to one endpoint of this machine; a share of them goes wrong."""

    def __init__(self, endpoint: str, share: float, seed: int) -> None:
        self._endpoint = endpoint
        self._share = share
        self._dice = random.Random(seed)  # noqa: S311  a seeded choice is what is wanted
        self._session: ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, rightly or wrongly."""
        body = await request.read()
        kind = self._dice.choice(KINDS) if self._dice.random() < self._share else ""
        if kind == "delay":
            await asyncio.sleep(self._dice.uniform(0.05, 0.5))
        elif kind == "500":
            return web.Response(status=500, text=SLOW_DOWN.format(code="InternalError"))
        elif kind == "503":
            return web.Response(status=503, text=SLOW_DOWN.format(code="SlowDown"))
        elif kind == "cut":
            _cut(request)
        if self._session is None:
            # The signature covers the headers and the path as they were sent.
            self._session = ClientSession(auto_decompress=False, timeout=ClientTimeout(30))
        async with self._session.request(
            request.method,
            f"{self._endpoint}{request.raw_path}",
            headers=request.headers,
            data=body,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            if kind == "cut after":  # the store has done it, and the client is not told
                _cut(request)
            headers = {n: v for n, v in answer.headers.items() if n.lower() not in _HOP}
            if request.method == "HEAD":
                headers["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=headers, body=content)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError


def main(endpoint: str, share: str, seed: str) -> None:
    """Serve on a free port of this machine until the standard input ends."""

    async def serve() -> None:
        application = web.Application(client_max_size=2**28)
        application.router.add_route(
            "*", "/{path:.*}", Proxy(endpoint, float(share), int(seed)).handle
        )
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)  # noqa: T201
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()

    asyncio.run(serve())


if __name__ == "__main__":
    main(*sys.argv[1:])
