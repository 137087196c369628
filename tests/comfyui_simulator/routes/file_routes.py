"""Files in and out: /view and /upload/image."""

import asyncio
import json
import os
from base64 import b64decode
from pathlib import Path

from aiohttp import web

from tests.comfyui_simulator import png
from tests.comfyui_simulator.flags import Flags

#: The preview of every picture: one pixel.
PREVIEW = b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


class FileRoutes:
    def __init__(self, flags: Flags) -> None:
        output = flags.output_directory
        self._folders = {"output": output, "input": output.with_name("input"), "temp": output.with_name("temp")}
        self._new = flags.new
        self._drop = flags.view_drop
        self._stall, self._stalls_left = flags.view_stall

    def register(self, router: web.UrlDispatcher) -> None:
        for prefix in ("", "/api"):
            router.add_get(f"{prefix}/view", self._view)
            router.add_post(f"{prefix}/upload/image", self._upload)
            router.add_post(f"{prefix}/upload/mask", self._upload)

    async def _view(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        name, kind = query.get("filename", ""), query.get("type", "output")
        if name.startswith("/") or ".." in name:
            return web.Response(status=400)
        folder = self._folders.get(kind)
        if not name or folder is None:
            return web.Response(status=404)
        path = (folder / query.get("subfolder", "") / Path(name).name).resolve()
        if not path.is_relative_to(folder.resolve()):
            return web.Response(status=403)
        if not path.is_file():
            return web.Response(status=404)
        headers = {"X-Content-Type-Options": "nosniff"} if self._new else {}
        headers |= {"Content-Disposition": f'filename="{path.name}"'}
        if "preview" in query:
            return self._preview(path, headers)
        return await self._faulty(request, path) or web.FileResponse(path, headers=headers)

    def _preview(self, path: Path, headers: dict[str, str]) -> web.StreamResponse:
        """Return a picture as one pixel; a WebP is returned whole, as if it had been shrunk already."""
        if path.suffix not in _PICTURES:
            return web.Response(status=500, text="500 Internal Server Error\n\nServer got itself in trouble")
        content = path.read_bytes() if path.suffix == ".webp" else PREVIEW
        return web.Response(body=content, content_type="image/webp", headers=headers)

    async def _faulty(self, request: web.Request, path: Path) -> web.StreamResponse | None:
        """Send a part of a file that is longer than the flags allow; None if the file is to be sent whole."""
        length = os.stat(path).st_size
        if self._drop is not None and length > self._drop:
            response = await self._begun(request, path, self._drop)
            assert request.transport is not None
            request.transport.close()
            return response
        if self._stalls_left and length > self._stall:
            self._stalls_left -= 1
            response = await self._begun(request, path, self._stall)
            await asyncio.Event().wait()
            return response
        return None

    async def _begun(self, request: web.Request, path: Path, part: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(os.stat(path).st_size)})
        await response.prepare(request)
        with path.open("rb") as file:
            await response.write(file.read(part))
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()  # all of it, before anything is written
        file = form.get("image")
        if not isinstance(file, web.FileField) or not file.filename:
            return web.Response(status=400)
        folder = self._folders.get(str(form.get("type", "input")), self._folders["input"])
        subfolder = str(form.get("subfolder", ""))
        path = folder / subfolder / file.filename
        if ".." in path.parts or not path.is_relative_to(folder):
            return web.Response(status=400)
        path.parent.mkdir(parents=True, exist_ok=True)
        if form.get("overwrite") not in ("true", "1"):
            path = _free(path, file.file.read())
            file.file.seek(0)
        self._keep(path, file.file.read(), form.get("original_ref"))
        return web.json_response({"name": path.name, "subfolder": subfolder, "type": str(form.get("type", "input"))})

    def _keep(self, path: Path, content: bytes, original_ref: object) -> None:
        """Write an upload; a mask becomes a new picture that names the original, as if the mask lay over it."""
        if isinstance(original_ref, str):
            original = json.loads(original_ref)
            of = self._folders[original["type"]] / original.get("subfolder", "") / original["filename"]
            if not of.is_file():
                return
            content = png.picture(f"{of.name} with a mask of {len(content)} bytes")
        path.write_bytes(content)


def _free(path: Path, content: bytes) -> Path:
    """Return the path, or the next one that is free or that holds the same content already."""
    wanted, number = path, 1
    while path.exists() and path.read_bytes() != content:
        path = wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
        number += 1
    return path
