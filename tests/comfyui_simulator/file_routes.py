"""Files in and out: /view and /upload/image."""

from pathlib import Path

from aiohttp import BodyPartReader, web


class FileRoutes:
    def __init__(self, output_directory: Path, *, new: bool) -> None:
        self._folders = {"output": output_directory, "input": output_directory.with_name("input")}
        self._new = new

    def register(self, router: web.UrlDispatcher) -> None:
        for prefix in ("", "/api"):
            router.add_get(f"{prefix}/view", self._view)
            router.add_post(f"{prefix}/upload/image", self._upload)

    async def _view(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        name, kind = query.get("filename", ""), query.get("type", "output")
        folder = self._folders.get(kind)
        if not name or folder is None:
            return web.Response(status=404)
        path = (folder / query.get("subfolder", "") / Path(name).name).resolve()
        if not path.is_relative_to(folder.resolve()):
            return web.Response(status=403)
        if not path.is_file():
            return web.Response(status=404)
        headers = {"X-Content-Type-Options": "nosniff"} if self._new else {}
        return web.FileResponse(path, headers=headers | {"Content-Disposition": f'filename="{path.name}"'})

    async def _upload(self, request: web.Request) -> web.Response:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "image" and part.filename:
                return web.json_response(self._keep(Path(part.filename).name, bytes(await part.read(decode=True))))
        return web.Response(status=400)

    def _keep(self, name: str, content: bytes) -> dict[str, str]:
        """Write an image under a name that is free, or that already holds the same."""
        folder = self._folders["input"]
        folder.mkdir(parents=True, exist_ok=True)
        path, number = folder / name, 1
        while path.exists() and path.read_bytes() != content:
            path = folder / f"{Path(name).stem} ({number}){Path(name).suffix}"
            number += 1
        path.write_bytes(content)
        return {"name": path.name, "subfolder": "", "type": "input"}
