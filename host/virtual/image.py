"""LittleFS images on the laptop: put files into one, take files out of one."""

from pathlib import Path, PurePosixPath

from littlefs import LittleFS, LittleFSError


class ImageError(Exception):
    """The image cannot be used as asked; the text says why and what would be right."""


def write_tree(
    image: Path, files: dict[str, bytes], *, size_kb: int, block_size: int = 4096, folders: tuple[str, ...] = ()
) -> None:
    """Put `files` ({"/app/main.mpy": content}) into the image, which is made (formatted) if absent and kept if there.

    Files with the same content are left alone. What stands in `folders` and is not in `files` is removed; all else
    stays.
    """
    fs = _mount(image, size_kb * 1024, block_size)
    try:
        for folder in folders:
            _remove_others(fs, folder, files)
        for name, content in sorted(files.items()):
            if _read(fs, name) != content:
                fs.makedirs(str(PurePosixPath(name).parent), exist_ok=True)
                with fs.open(name, "wb") as file:
                    file.write(content)
    except LittleFSError as error:
        needed = f"more than {size_kb} KB of flash is needed"
        raise ImageError(f"{image}: cannot take the board's files ({error}): {needed}") from None
    new = image.with_name(image.name + ".new")
    new.write_bytes(fs.context.buffer)
    new.replace(image)


def read_tree(image: Path, block_size: int = 4096) -> dict[str, bytes]:
    """{"/data/...": content} of all files in the image, which is not changed."""
    fs = _mount(image, image.stat().st_size, block_size)
    names = [f"{folder.rstrip('/')}/{name}" for folder, _, found in fs.walk("/") for name in found]
    return {name: _read(fs, name) for name in names}


def _mount(image: Path, size: int, block_size: int) -> LittleFS:
    fs = LittleFS(block_size=block_size, block_count=size // block_size, mount=False)
    if not image.exists():
        fs.format()
    elif image.stat().st_size != size:
        raise ImageError(f"{image}: is {image.stat().st_size} bytes, not {size}: give its size, or another file")
    else:
        fs.context.buffer[:] = image.read_bytes()
    try:
        fs.mount()
    except LittleFSError as error:
        raise ImageError(f"{image}: holds no LittleFS with blocks of {block_size} bytes ({error})") from None
    return fs


def _read(fs: LittleFS, name: str) -> bytes | None:
    try:
        with fs.open(name, "rb") as file:
            return file.read()
    except (FileNotFoundError, LittleFSError):
        return None


def _remove_others(fs: LittleFS, folder: str, files: dict[str, bytes]) -> None:
    try:
        found = [f"{at}/{name}" for at, _, names in fs.walk(folder) for name in names]
    except (FileNotFoundError, LittleFSError):
        return
    for name in found:
        if name not in files:
            fs.remove(name)
